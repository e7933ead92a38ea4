// SPDX-License-Identifier: GPL-2.0
/*
 * The host's server of a share has a file open for each name that the guest
 * remembers, and may have only so many open. Nothing else in the guest knows
 * of that limit: so what nobody uses is forgotten here before it is reached.
 */
#include <linux/fs.h>
#include <linux/list_lru.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "coracle_events.h"

/* Names can be looked up a few ten thousand times a second. */
#define INTERVAL (HZ / 4)

static unsigned long most_unused = 100000;
module_param(most_unused, ulong, 0644);
MODULE_PARM_DESC(most_unused, "names that nobody uses to remember of a share");

static void forget(struct super_block *sb, void *unused)
{
	if (list_lru_count(&sb->s_dentry_lru) > READ_ONCE(most_unused))
		shrink_dcache_sb(sb);
}

static void look(struct work_struct *work)
{
	struct file_system_type *type = get_fs_type("virtiofs");

	if (type) {
		iterate_supers_type(type, forget, NULL);
		module_put(type->owner);
	}
	schedule_delayed_work(to_delayed_work(work), INTERVAL);
}

/* Deferrable: a guest that does nothing remembers nothing new. */
static DECLARE_DEFERRABLE_WORK(looking, look);

void coracle_forget_start(void)
{
	schedule_delayed_work(&looking, INTERVAL);
}

void coracle_forget_end(void)
{
	cancel_delayed_work_sync(&looking);
}
