// SPDX-License-Identifier: GPL-2.0
/*
 * Files whose present name is not there any more when the guest is told of it:
 * renamed, and renamed or deleted again before that. Who watches the file
 * itself is to hear of the rest too, and it can no longer be looked up.
 */
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "coracle_events.h"

#define MOST 64
/* A share that is unmounted waits for it. */
#define KEPT (2 * HZ)

struct lost {
	struct list_head list;
	struct path path;         /* the file, by a name that it has lost */
	const struct inode *dir;  /* compared, never followed */
	unsigned int length;
	char name[NAME_MAX + 1];
};

static LIST_HEAD(all);
static unsigned int count;
static DEFINE_MUTEX(lock);

static void let_go(struct lost *lost)
{
	list_del(&lost->list);
	count--;
	path_put(&lost->path);
	kfree(lost);
}

static void let_all_go(struct work_struct *work)
{
	mutex_lock(&lock);
	while (!list_empty(&all))
		let_go(list_first_entry(&all, struct lost, list));
	mutex_unlock(&lock);
}

static DECLARE_DELAYED_WORK(later, let_all_go);

/* The file should now have this name, and it has not. */
void coracle_lose(const struct path *dir, const struct qstr *name, struct dentry *file)
{
	struct lost *lost = kmalloc(sizeof(*lost), GFP_KERNEL);

	if (!lost)
		return;
	lost->path = (struct path){ .mnt = mntget(dir->mnt), .dentry = dget(file) };
	lost->dir = d_inode(dir->dentry);
	lost->length = name->len;
	memcpy(lost->name, name->name, name->len);
	mutex_lock(&lock);
	list_add_tail(&lost->list, &all);
	if (++count > MOST)
		let_go(list_first_entry(&all, struct lost, list));
	mutex_unlock(&lock);
	mod_delayed_work(system_wq, &later, KEPT);
}

/* The file that should have this name, or NULL; to be put. */
struct dentry *coracle_found(const struct path *dir, const struct qstr *name)
{
	struct dentry *found = NULL;
	struct lost *lost;

	mutex_lock(&lock);
	list_for_each_entry(lost, &all, list) {
		if (lost->dir != d_inode(dir->dentry) || lost->length != name->len ||
		    memcmp(lost->name, name->name, name->len))
			continue;
		found = dget(lost->path.dentry);
		let_go(lost);
		break;
	}
	mutex_unlock(&lock);
	return found;
}

void coracle_lost_end(void)
{
	cancel_delayed_work_sync(&later);
	let_all_go(NULL);
}
