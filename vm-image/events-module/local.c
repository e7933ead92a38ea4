// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest's own programs do to a share comes back from the host as if
 * the host had done it. A mark on the share's superblock sees them do it, and
 * what comes back soon after is known for an echo.
 *
 * Of entries each echo is expected once. Of content the first echo tells the
 * file's ctime, as the host gives it after all that the guest did; as long as
 * that stays, what comes is an echo too, and what comes with another one is the
 * host's own.
 */
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stringhash.h>

#include "coracle_events.h"

#define WINDOW (5 * HZ)
#define MOST 65536

/*
 * How long a write of the guest may take from when the host has done it to when
 * it is seen here, in ms: more than a busy guest's scheduler keeps a task waiting.
 */
#define PATIENCE 100

/* How often the host is asked again because the guest did more meanwhile. */
#define QUESTIONS 3

struct record {
	struct hlist_node hash;
	struct list_head age;
	unsigned long when;
	const struct inode *inode; /* compared, never followed */
	u32 name;                  /* hash of the name in it; 0: the inode itself */
	enum local_kind kind;
	u64 number; /* of the last note */
	bool settled;
	struct timespec64 ctime;
};

struct follow {
	struct fsnotify_mark mark;
	struct list_head list;
};

static DEFINE_HASHTABLE(records, 12);
static LIST_HEAD(by_age);
static unsigned int kept;
static u64 noted;
static DEFINE_SPINLOCK(lock);
static struct fsnotify_group *group;
static LIST_HEAD(followed); /* by the one writer alone */
static struct task_struct *injector;

static u32 hash_of(const struct qstr *name)
{
	return full_name_hash(NULL, name->name, name->len) | 1;
}

static unsigned long key(const struct inode *inode, u32 name, enum local_kind kind)
{
	return hash_ptr(inode, 32) ^ name ^ ((u32)kind << 28);
}

static void drop(struct record *record)
{
	hash_del(&record->hash);
	list_del(&record->age);
	kept--;
	kfree(record);
}

static void drop_old(void)
{
	struct record *record;

	while ((record = list_first_entry_or_null(&by_age, struct record, age)) &&
	       (kept >= MOST || time_after(jiffies, record->when + WINDOW)))
		drop(record);
}

static struct record *find(const struct inode *inode, u32 name, enum local_kind kind)
{
	struct record *record;

	hash_for_each_possible(records, record, hash, key(inode, name, kind))
		if (record->inode == inode && record->name == name && record->kind == kind &&
		    !time_after(jiffies, record->when + WINDOW))
			return record;
	return NULL;
}

static void note(const struct inode *inode, u32 name, enum local_kind kind)
{
	struct record *record = NULL;

	spin_lock(&lock);
	drop_old();
	if (kind == LOCAL_CONTENT)
		record = find(inode, name, kind);
	if (record) {
		list_del(&record->age);
	} else {
		record = kmalloc(sizeof(*record), GFP_NOWAIT | __GFP_NOWARN);
		if (!record)
			goto out;
		record->inode = inode;
		record->name = name;
		record->kind = kind;
		hash_add(records, &record->hash, key(inode, name, kind));
		kept++;
	}
	record->when = jiffies;
	record->number = ++noted;
	record->settled = false;
	list_add_tail(&record->age, &by_age);
out:
	spin_unlock(&lock);
}

/*
 * A move changes the ctime, and echoes of what the guest did to the content
 * before may come after it. The echo of the move settles it: coracle_settle().
 */
static void unsettle(const struct inode *inode)
{
	struct record *record;

	spin_lock(&lock);
	record = find(inode, 0, LOCAL_CONTENT);
	if (record) {
		record->number = ++noted;
		record->settled = false;
	}
	spin_unlock(&lock);
}

static int saw(struct fsnotify_group *own, u32 mask, const void *data, int data_type,
	       struct inode *dir, const struct qstr *name, u32 cookie,
	       struct fsnotify_iter_info *iter)
{
	struct inode *inode = fsnotify_data_inode(data, data_type);

	if (READ_ONCE(injector) == current) {
		if (mask & FS_Q_OVERFLOW && inode)
			coracle_overflow_groups(inode, own);
		return 0;
	}
	/* Making a name sets its inode's owner and mode too. */
	if (inode && mask & (FS_MODIFY | FS_CLOSE_WRITE | FS_ATTRIB | FS_CREATE))
		note(inode, 0, LOCAL_CONTENT);
	if (inode && mask & FS_MOVED_TO)
		unsettle(inode);
	if (!dir || !name)
		return 0;
	if (mask & (FS_MODIFY | FS_CLOSE_WRITE | FS_ATTRIB | FS_CREATE))
		note(dir, hash_of(name), LOCAL_CONTENT);
	if (mask & FS_CREATE)
		note(dir, hash_of(name), LOCAL_CREATE);
	if (mask & FS_DELETE)
		note(dir, hash_of(name), LOCAL_DELETE);
	if (mask & FS_MOVED_FROM)
		note(dir, hash_of(name), LOCAL_FROM);
	if (mask & FS_MOVED_TO)
		note(dir, hash_of(name), LOCAL_TO);
	return 0;
}

static void free_mark(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct follow, mark));
}

static const struct fsnotify_ops ops = {
	.handle_event = saw,
	.free_mark = free_mark,
};

/*
 * An operation on an entry holds the lock of the folder until it has been seen,
 * one on attributes that of the inode.
 */
static bool wait_for_locals(struct inode *inode)
{
	if (down_read_killable(&inode->i_rwsem))
		return false;
	inode_unlock_shared(inode);
	return true;
}

bool coracle_is_echo(const struct path *dir, const struct qstr *name, enum local_kind kind)
{
	struct record *record;

	if (!wait_for_locals(d_inode(dir->dentry)))
		return false;
	spin_lock(&lock);
	record = find(d_inode(dir->dentry), hash_of(name), kind);
	if (record)
		drop(record);
	spin_unlock(&lock);
	return record;
}

/* What the guest has done so far; grows. */
u64 coracle_noted(void)
{
	u64 now;

	spin_lock(&lock);
	now = noted;
	spin_unlock(&lock);
	return now;
}

enum origin { HOSTS_OWN, GUESTS_OWN, GUESTS_SINCE_ASKED };

static enum origin origin_of_content(const struct path *dir, const struct qstr *name,
				     struct inode *inode, const struct told *told)
{
	enum origin origin = HOSTS_OWN;
	struct record *record = NULL;

	spin_lock(&lock);
	if (inode)
		record = find(inode, 0, LOCAL_CONTENT);
	else if (name->len && find(d_inode(dir->dentry), hash_of(name), LOCAL_CONTENT))
		origin = GUESTS_OWN;
	if (record && !record->settled && record->number > told->asked) {
		origin = GUESTS_SINCE_ASKED;
	} else if (record) {
		if (!record->settled)
			record->ctime = told->ctime;
		record->settled = true;
		if (timespec64_equal(&record->ctime, &told->ctime))
			origin = GUESTS_OWN;
		else
			drop(record);
	}
	spin_unlock(&lock);
	return origin;
}

bool coracle_is_content_echo(const struct path *dir, const struct qstr *name,
			     struct dentry *child, struct told *told, bool *waited)
{
	struct inode *inode = child ? d_inode(child) : NULL;
	int patience = *waited ? 0 : PATIENCE, questions = QUESTIONS;
	enum origin origin;
	bool writing;

	/* A name that is moved or deleted changes the ctime, too. */
	if (!wait_for_locals(d_inode(dir->dentry)) || (inode && !wait_for_locals(inode)))
		return false;
	while (true) {
		/* Who closes is noted before: this is to be read before the notes. */
		writing = inode && inode_is_open_for_write(inode);
		smp_rmb();
		origin = origin_of_content(dir, name, inode, told);
		if (origin == GUESTS_SINCE_ASKED && questions--) {
			coracle_ask(dir, child, told);
			continue;
		}
		/* A write is seen only after its lock: its echo can be here before. */
		if (origin != HOSTS_OWN || !writing || !patience--)
			return origin != HOSTS_OWN;
		*waited = true;
		usleep_range(1000, 1100);
	}
}

/* The guest's own move of a file has come back: what it is now, it is by the guest. */
void coracle_settle(const struct path *dir, struct dentry *child)
{
	struct told told;

	coracle_ask(dir, child, &told);
	origin_of_content(dir, &child->d_name, d_inode(child), &told);
}

/* Sees the superblock's own operations from now on. */
int coracle_follow(struct super_block *sb)
{
	struct fsnotify_mark *mark = fsnotify_find_mark(sb, FSNOTIFY_OBJ_TYPE_SB, group);
	struct follow *follow;
	int error;

	WRITE_ONCE(injector, current);
	if (mark) {
		fsnotify_put_mark(mark);
		return 0;
	}
	follow = kzalloc(sizeof(*follow), GFP_KERNEL);
	if (!follow)
		return -ENOMEM;
	fsnotify_init_mark(&follow->mark, group);
	follow->mark.mask = FS_CREATE | FS_DELETE | FS_MOVE | FS_MODIFY | FS_CLOSE_WRITE |
			    FS_ATTRIB | FS_EVENT_ON_CHILD | FS_ISDIR | FS_Q_OVERFLOW;
	error = fsnotify_add_mark(&follow->mark, sb, FSNOTIFY_OBJ_TYPE_SB, 0);
	if (error)
		fsnotify_put_mark(&follow->mark);
	else
		list_add(&follow->list, &followed);
	return error;
}

int coracle_local_start(void)
{
	group = fsnotify_alloc_group(&ops, 0);
	return PTR_ERR_OR_ZERO(group);
}

void coracle_local_end(void)
{
	struct follow *follow, *next;

	list_for_each_entry_safe(follow, next, &followed, list) {
		fsnotify_destroy_mark(&follow->mark, group);
		fsnotify_put_mark(&follow->mark);
	}
	fsnotify_put_group(group);
	/* The marks' memory is given back by code of this module. */
	fsnotify_wait_marks_destroyed();
	spin_lock(&lock);
	while (!list_empty(&by_age))
		drop(list_first_entry(&by_age, struct record, age));
	spin_unlock(&lock);
}
