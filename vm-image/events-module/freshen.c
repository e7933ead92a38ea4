// SPDX-License-Identifier: GPL-2.0
/* What the guest caches of a share, made true before anybody is told of a change. */
#include <linux/iversion.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/stat.h>

#include "coracle_events.h"

#define NOWHERE_ELSE (LOOKUP_NO_SYMLINKS | LOOKUP_NO_MAGICLINKS | LOOKUP_NO_XDEV)

/*
 * The folder as the guest knows it, even if the host has deleted it meanwhile:
 * who watches it is to hear of that. Asked for at the host only if it is not
 * cached.
 */
static struct dentry *walk(struct dentry *root, const char *name)
{
	struct dentry *at = dget(root);

	while (*name) {
		struct qstr part = QSTR_INIT(name, strchrnul(name, '/') - name);
		struct dentry *next = d_hash_and_lookup(at, &part);

		dput(at);
		if (IS_ERR_OR_NULL(next))
			return NULL;
		if (!d_is_dir(next)) {
			dput(next);
			return NULL;
		}
		at = next;
		name += part.len;
		if (*name)
			name++;
	}
	return at;
}

/* On success *dir is to be put. */
int coracle_find_dir(const struct path *root, const char *name, struct path *dir)
{
	dir->dentry = walk(root->dentry, name);
	if (dir->dentry) {
		dir->mnt = mntget(root->mnt);
		return 0;
	}
	return vfs_path_lookup(root->dentry, root->mnt, name,
			       LOOKUP_DIRECTORY | NOWHERE_ELSE, dir);
}

/*
 * Attributes of the folder or of a file in it. The inode does not take the answer
 * over while the guest writes to it, so the answer itself counts.
 */
void coracle_ask(const struct path *dir, struct dentry *child, struct told *told)
{
	struct path path = { .mnt = dir->mnt, .dentry = child };
	struct kstat stat;

	told->asked = coracle_noted();
	/* What is gone is found to be so by whoever uses it. */
	if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC))
		told->ctime = inode_get_ctime(d_inode(child));
	else
		told->ctime = stat.ctime;
}

/* Attributes, and the listing that the guest may keep. */
void coracle_freshen_dir(const struct path *dir, struct told *told)
{
	coracle_ask(dir, dir->dentry, told);
	inode_inc_iversion(d_inode(dir->dentry));
}

/*
 * What the guest holds the name for, or NULL; to be put. That there is nothing is
 * forgotten, under the lock of the folder: a program that is making the file holds
 * it, and has put its name where there was none. Dropped before that is done, the
 * file would be another inode to whoever looks next, and nobody's its echoes.
 */
struct dentry *coracle_cached(const struct path *dir, const struct qstr *name)
{
	struct inode *inode = d_inode(dir->dentry);
	struct qstr key = *name;
	struct dentry *child = d_hash_and_lookup(dir->dentry, &key);

	if (!IS_ERR_OR_NULL(child) && d_is_positive(child))
		return child;
	if (IS_ERR(child))
		return NULL;
	dput(child);
	if (down_read_killable(&inode->i_rwsem))
		return NULL;
	child = d_hash_and_lookup(dir->dentry, &key);
	if (!IS_ERR_OR_NULL(child) && d_is_negative(child)) {
		d_drop(child);
		dput(child);
		child = NULL;
	}
	inode_unlock_shared(inode);
	return IS_ERR(child) ? NULL : child;
}

/* What the host has there now, or NULL; to be put. A name that has become another's is dropped. */
struct dentry *coracle_look(const struct path *dir, const struct qstr *name)
{
	struct path found;

	if (vfs_path_lookup(dir->dentry, dir->mnt, name->name, LOOKUP_REVAL | NOWHERE_ELSE,
			    &found))
		return NULL;
	mntput(found.mnt);
	return found.dentry;
}

/*
 * Whether the name of a cached child is no longer its own. Finding out drops
 * it, and with it what is mounted there, such as a volume over node_modules:
 * so a mount point is left alone.
 */
bool coracle_gone(const struct path *dir, struct dentry *child)
{
	struct name_snapshot name;
	struct dentry *now;
	bool same;

	if (d_mountpoint(child))
		return false;
	take_dentry_name_snapshot(&name, child);
	now = coracle_look(dir, &name.name);
	release_dentry_name_snapshot(&name);
	same = now == child;
	dput(now);
	return !same;
}

/* Attributes and pages; also of a file whose size and time are as before. */
void coracle_freshen_content(const struct path *dir, struct dentry *child, struct told *told)
{
	struct inode *inode = d_inode(child);

	coracle_ask(dir, child, told);
	if (S_ISREG(inode->i_mode))
		(void)invalidate_inode_pages2(inode->i_mapping);
}
