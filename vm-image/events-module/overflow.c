// SPDX-License-Identifier: GPL-2.0
/*
 * Too much has happened to tell it one by one: everything cached is dropped,
 * and who watches anything in the share gets IN_Q_OVERFLOW.
 */
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "coracle_events.h"

#define GROUPS 32

/*
 * inotify queues its overflow event when its queue is full, and nothing else
 * can queue it: so the queues are full for the time of one event.
 *
 * Called from within fsnotify() only, which keeps the inode's marks in memory.
 */
void coracle_overflow_groups(struct inode *inode, struct fsnotify_group *own)
{
	struct { struct fsnotify_group *group; unsigned int most; } full[GROUPS];
	struct fsnotify_mark_connector *marks = READ_ONCE(inode->i_fsnotify_marks);
	struct hlist_node *node;
	u32 wanted = 0;
	int count = 0;

	if (!marks)
		return;
	for (node = READ_ONCE(marks->list.first); node && count < GROUPS;
	     node = READ_ONCE(node->next)) {
		struct fsnotify_mark *mark = hlist_entry(node, struct fsnotify_mark, obj_list);
		struct fsnotify_group *group = mark->group;
		u32 mask = mark->mask & (FS_EVENTS_POSS_ON_CHILD | ALL_FSNOTIFY_DIRENT_EVENTS) &
			   ~(ALL_FSNOTIFY_PERM_EVENTS | FS_RENAME);

		if (group == own || !group->overflow_event || !mask)
			continue;
		spin_lock(&group->notification_lock);
		full[count].group = group;
		full[count++].most = group->max_events;
		group->max_events = 0;
		spin_unlock(&group->notification_lock);
		wanted |= mask & -mask;
	}
	if (wanted)
		fsnotify(wanted, inode, FSNOTIFY_EVENT_INODE, NULL, NULL, inode, 0);
	while (count--) {
		spin_lock(&full[count].group->notification_lock);
		full[count].group->max_events = full[count].most;
		spin_unlock(&full[count].group->notification_lock);
	}
}

static void drop_caches(struct inode *inode, struct vfsmount *mnt)
{
	struct path path = { .mnt = mnt, .dentry = d_find_any_alias(inode) };
	struct kstat stat;

	if (path.dentry)
		(void)vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC);
	dput(path.dentry);
	if (S_ISREG(inode->i_mode) && inode->i_mapping->nrpages)
		(void)invalidate_inode_pages2(inode->i_mapping);
}

void coracle_overflow(struct super_block *sb, struct vfsmount *mnt)
{
	struct inode *inode, *before = NULL;

	/* What nobody uses is looked up again by its next user. */
	shrink_dcache_sb(sb);
	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		bool unused = !atomic_read(&inode->i_count) && !inode->i_mapping->nrpages;

		spin_lock(&inode->i_lock);
		if (unused || inode->i_state & (I_FREEING | I_WILL_FREE | I_NEW)) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);
		/* Held until here, so that the list can be gone on from it. */
		iput(before);
		before = inode;
		drop_caches(inode, mnt);
		if (READ_ONCE(inode->i_fsnotify_marks))
			fsnotify(FS_Q_OVERFLOW, inode, FSNOTIFY_EVENT_INODE, NULL, NULL, inode, 0);
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(before);
}
