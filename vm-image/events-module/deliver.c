// SPDX-License-Identifier: GPL-2.0
/*
 * One change: freshen, ask whether the guest did it itself, notify. The order
 * of events is that of the VFS for the same change of a local file system.
 */
#include <linux/mount.h>

#include "coracle_events.h"

void coracle_forget_child(struct batch *batch)
{
	dput(batch->child);
	batch->child = NULL;
	batch->child_known = false;
	batch->waited = false;
}

void coracle_forget_dir(struct batch *batch)
{
	coracle_forget_child(batch);
	if (batch->dir.dentry)
		path_put(&batch->dir);
	batch->dir = (struct path){};
}

static int enter(struct batch *batch, const char *name)
{
	int error;

	if (batch->dir.dentry && !strcmp(batch->dir_name, name))
		return 0;
	coracle_forget_dir(batch);
	error = coracle_find_dir(batch->root, name, &batch->dir);
	if (error)
		batch->dir = (struct path){};
	batch->dir_name = name;
	batch->dir_fresh = false;
	return error;
}

static void freshen_dir(struct batch *batch)
{
	struct told told;

	if (!batch->dir_fresh)
		coracle_freshen_dir(&batch->dir, &told);
	batch->dir_fresh = true;
}

/* To the folder, of an entry. `about` is any inode of the share. */
static void tell_entry(u32 mask, const struct path *dir, const struct qstr *name,
		       struct inode *about, u32 cookie)
{
	struct inode *inode = d_inode(dir->dentry);

	fsnotify_name(mask, about ?: inode, FSNOTIFY_EVENT_INODE, inode, name, cookie);
}

/*
 * To the folder and to the file itself. A file that has gone meanwhile is told
 * of in nobody's name: without an inode the event would lose the file's name.
 */
static void tell_both(u32 mask, const struct batch *batch, const struct qstr *name,
		      struct inode *child)
{
	struct inode *parent = d_inode(batch->dir.dentry);

	if (!child) {
		if (mask & fsnotify_inode_watches_children(parent))
			fsnotify(mask | FS_EVENT_ON_CHILD, parent, FSNOTIFY_EVENT_INODE, parent,
				 name, batch->nobody, 0);
	} else if (mask & fsnotify_inode_watches_children(parent)) {
		fsnotify(mask | FS_EVENT_ON_CHILD, child, FSNOTIFY_EVENT_INODE, parent, name,
			 child, 0);
	} else {
		fsnotify(mask, child, FSNOTIFY_EVENT_INODE, NULL, NULL, child, 0);
	}
}

static bool is_echo(struct batch *batch, const struct qstr *name, enum local_kind kind)
{
	batch->echo = coracle_is_echo(&batch->dir, name, kind);
	return batch->echo;
}

/* Whether the inode has lost its last name on the host. */
static bool is_last(const struct path *dir, struct dentry *child)
{
	struct path path = { .mnt = dir->mnt, .dentry = child };
	struct dentry *other;
	struct kstat stat;

	if (d_is_dir(child))
		return true;
	/* Another name whose end is still to be told of. */
	other = d_find_alias(d_inode(child));
	dput(other);
	return !other &&
	       (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) ||
		stat.nlink == 0);
}

static void content(struct batch *batch, const struct change *change, u32 mask)
{
	const struct qstr *name = &change->name;
	struct dentry *child;

	if (!batch->child_known || batch->child_name.len != name->len ||
	    memcmp(batch->child_name.name, name->name, name->len)) {
		coracle_forget_child(batch);
		batch->child = coracle_cached(&batch->dir, name);
		if (!batch->child)
			batch->child = coracle_look(&batch->dir, name);
		if (batch->child && d_is_positive(batch->child))
			coracle_freshen_content(&batch->dir, batch->child, &batch->told);
		batch->child_name = *name;
		batch->child_known = true;
	}
	child = batch->child && d_is_positive(batch->child) ? batch->child : NULL;
	batch->echo = coracle_is_content_echo(&batch->dir, name, child, &batch->told,
					     &batch->waited);
	if (!batch->echo)
		tell_both(mask | change->isdir, batch, name, child ? d_inode(child) : NULL);
}

static void created(struct batch *batch, const struct change *change)
{
	struct dentry *child = coracle_cached(&batch->dir, &change->name);

	freshen_dir(batch);
	if (child && coracle_gone(&batch->dir, child)) {
		dput(child);
		child = NULL;
	}
	if (!child && change->linked)
		child = coracle_look(&batch->dir, &change->name);
	if (!is_echo(batch, &change->name, LOCAL_CREATE)) {
		if (child && change->linked)
			fsnotify_link_count(d_inode(child));
		tell_entry(FS_CREATE | change->isdir, &batch->dir, &change->name,
			   child ? d_inode(child) : NULL, 0);
	}
	dput(child);
}

/* The inode that had the name until now, or NULL. */
static void replaced(const struct path *dir, struct dentry *child, bool count)
{
	struct inode *inode = d_inode(child);

	if (count)
		fsnotify_link_count(inode);
	if (is_last(dir, child))
		fsnotify_inoderemove(inode);
}

static void deleted(struct batch *batch, const struct change *change)
{
	struct dentry *child = coracle_cached(&batch->dir, &change->name);
	bool gone = child && coracle_gone(&batch->dir, child);

	if (!child)
		gone = child = coracle_found(&batch->dir, &change->name);
	freshen_dir(batch);
	if (!is_echo(batch, &change->name, LOCAL_DELETE)) {
		if (gone)
			replaced(&batch->dir, child, !change->isdir);
		tell_entry(FS_DELETE | change->isdir, &batch->dir, &change->name,
			   child ? d_inode(child) : NULL, 0);
	}
	dput(child);
}

static void moved_from(struct batch *batch, const struct change *change)
{
	struct dentry *child = coracle_cached(&batch->dir, &change->name);
	bool gone = child && coracle_gone(&batch->dir, child);

	freshen_dir(batch);
	if (!is_echo(batch, &change->name, LOCAL_FROM)) {
		tell_entry(FS_MOVED_FROM | change->isdir, &batch->dir, &change->name,
			   child ? d_inode(child) : NULL, fsnotify_get_cookie());
		if (gone)
			fsnotify_inode(d_inode(child), FS_MOVE_SELF);
	}
	dput(child);
}

/* The second half; `source` is the moved inode's dentry, if it is known. */
static void arrive(const struct path *dir, const struct change *change, const struct qstr *name,
		   struct dentry *target, struct inode *source, u32 cookie)
{
	tell_entry(FS_MOVED_TO | change->isdir, dir, name, source, cookie);
	if (target)
		fsnotify_link_count(d_inode(target));
	if (source)
		fsnotify_inode(source, FS_MOVE_SELF);
	if (target)
		replaced(dir, target, false);
}

static void moved_to(struct batch *batch, const struct change *change)
{
	struct dentry *target = coracle_cached(&batch->dir, &change->name);
	struct dentry *now;

	if (target && !coracle_gone(&batch->dir, target)) {
		dput(target);
		target = NULL;
	}
	now = coracle_look(&batch->dir, &change->name);
	freshen_dir(batch);
	if (!is_echo(batch, &change->name, LOCAL_TO))
		arrive(&batch->dir, change, &change->name, target, now ? d_inode(now) : NULL,
		       fsnotify_get_cookie());
	else if (now)
		coracle_settle(&batch->dir, now);
	dput(now);
	dput(target);
}

static void moved(struct batch *batch, const struct change *change)
{
	struct dentry *source = coracle_cached(&batch->dir, &change->name), *target, *now;
	struct inode *inode = NULL;
	struct told told;
	struct path to;
	bool echo;
	u32 cookie;

	if (!source)
		source = coracle_found(&batch->dir, &change->name);
	if (coracle_find_dir(batch->root, change->to_dir, &to)) {
		dput(source);
		return moved_from(batch, change);
	}
	target = coracle_cached(&to, &change->to_name);
	/* A folder's dentry, with all below it, is moved by this look-up. */
	now = coracle_look(&to, &change->to_name);
	if (target && (target == now || d_mountpoint(target))) {
		dput(target);
		target = NULL;
	}
	if (source)
		inode = igrab(d_inode(source));
	else if (now)
		inode = igrab(d_inode(now));
	if (source && source != now && !d_unhashed(source))
		(void)coracle_gone(&batch->dir, source);
	if (source && !now)
		coracle_lose(&to, &change->to_name, source);
	freshen_dir(batch);
	coracle_freshen_dir(&to, &told);
	/* Both are asked: each is an event that the guest's own rename has left. */
	echo = coracle_is_echo(&batch->dir, &change->name, LOCAL_FROM);
	batch->echo = coracle_is_echo(&to, &change->to_name, LOCAL_TO) && echo;
	if (!batch->echo) {
		cookie = fsnotify_get_cookie();
		tell_entry(FS_MOVED_FROM | change->isdir, &batch->dir, &change->name, inode,
			   cookie);
		arrive(&to, change, &change->to_name, target, inode, cookie);
	} else if (now) {
		coracle_settle(&to, now);
	}
	iput(inode);
	dput(now);
	dput(target);
	dput(source);
	path_put(&to);
}

static void itself(struct batch *batch, const struct change *change)
{
	struct inode *inode = d_inode(batch->dir.dentry);
	struct told told;

	coracle_freshen_dir(&batch->dir, &told);
	switch (change->kind) {
	case CORACLE_ATTRIB:
		batch->echo = coracle_is_content_echo(&batch->dir, &change->name,
						     batch->dir.dentry, &told,
						     &batch->waited);
		if (!batch->echo)
			fsnotify_inode(inode, FS_ATTRIB);
		break;
	case CORACLE_MOVE_SELF:
		fsnotify_inode(inode, FS_MOVE_SELF);
		break;
	default:
		fsnotify_inoderemove(inode);
	}
}

/* An error ends the message; that a folder is not there is none. */
int coracle_deliver(struct batch *batch, const struct change *change)
{
	if (change->kind == CORACLE_OVERFLOW) {
		coracle_forget_dir(batch);
		coracle_overflow(batch->root->dentry->d_sb, batch->root->mnt);
		return 0;
	}
	if (enter(batch, change->dir))
		return 0;
	if (!change->name.len) {
		itself(batch, change);
		return 0;
	}
	switch (change->kind) {
	case CORACLE_MODIFY:
		content(batch, change, FS_MODIFY);
		return 0;
	case CORACLE_CLOSE_WRITE:
		content(batch, change, FS_CLOSE_WRITE);
		return 0;
	case CORACLE_ATTRIB:
		content(batch, change, FS_ATTRIB);
		return 0;
	default:
		coracle_forget_child(batch);
	}
	switch (change->kind) {
	case CORACLE_CREATE:
		created(batch, change);
		break;
	case CORACLE_DELETE:
		deleted(batch, change);
		break;
	case CORACLE_MOVED_FROM:
		moved_from(batch, change);
		break;
	case CORACLE_MOVED_TO:
		moved_to(batch, change);
		break;
	default:
		moved(batch, change);
	}
	return 0;
}
