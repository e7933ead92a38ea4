/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes that a host made to a virtiofs share, raised as the inotify events
 * that the same change would raise on a local file system.
 *
 * main.c      the device, one writer at a time
 * message.c   what is written: checked before anything is done
 * deliver.c   an event's way: freshen, ask whether it is an echo, notify
 * freshen.c   caches of a folder, a name, a file's content
 * local.c     what programs in the guest change, so that it is not told twice
 * lost.c      files whose name has gone before it was told of
 * forget.c    what the guest remembers of a share, before it is too much
 * overflow.c  IN_Q_OVERFLOW for everyone who watches a share
 */
#ifndef CORACLE_EVENTS_H
#define CORACLE_EVENTS_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/types.h>

/*
 * The layout of a message, little endian, without padding between records:
 * a header, then `count` records, each followed by its strings. Every string
 * is followed by a NUL that its length does not count.
 */
#define CORACLE_MAGIC 0x31564543 /* "CEV1" */
#define CORACLE_LONGEST (1 << 20)

struct coracle_header {
	__le32 magic;
	__le32 root;  /* O_PATH descriptor of the share's root */
	__le32 count;
	__le32 bytes; /* of the whole message */
} __packed;

enum coracle_kind {
	CORACLE_CREATE = 1,
	CORACLE_MODIFY,
	CORACLE_CLOSE_WRITE,
	CORACLE_ATTRIB,      /* without a name: of the folder itself */
	CORACLE_DELETE,
	CORACLE_MOVED_FROM,  /* to where nobody watches */
	CORACLE_MOVED_TO,    /* from where nobody watches */
	CORACLE_MOVED,       /* both halves */
	CORACLE_DELETE_SELF, /* the folder `dir`, without a name */
	CORACLE_MOVE_SELF,   /* the same */
	CORACLE_OVERFLOW,    /* events of the share were lost; no strings */
	CORACLE_KINDS,
};

#define CORACLE_ISDIR 1
#define CORACLE_LINKED 2 /* the new name is not the inode's only one */
#define CORACLE_FLAGS 3

struct coracle_record {
	__u8 kind;
	__u8 flags;
	__le16 dir;     /* lengths of the strings: folder below the root, */
	__le16 name;    /* name in it, */
	__le16 to_dir;  /* and of CORACLE_MOVED the target's */
	__le16 to_name;
} __packed;

/* One record, its strings inside the message. */
struct change {
	enum coracle_kind kind;
	u32 isdir; /* FS_ISDIR or 0 */
	bool linked;
	const char *dir, *to_dir;
	struct qstr name, to_name;
};

/* What the host has said of an inode. */
struct told {
	struct timespec64 ctime;
	u64 asked; /* what the guest had done to content when it was asked: coracle_noted() */
};

/*
 * A message while it is worked off. Whatever is fresh stays so for the rest
 * of it: the host did all of it before it was sent.
 */
struct batch {
	const struct path *root;
	struct inode *nobody; /* that nobody watches */
	struct path dir;     /* of the record before, if dentry is set */
	const char *dir_name;
	bool dir_fresh;
	struct dentry *child; /* fresh, in `dir` */
	struct qstr child_name;
	bool child_known;    /* also when there is none */
	struct told told;    /* of the child */
	bool waited;         /* for what the guest may be about to do to it */
	bool echo;           /* whether the record was the guest's own doing */
};

/* message.c */
bool coracle_next(const char **at, const char *end, struct change *change);

/* deliver.c */
int coracle_deliver(struct batch *batch, const struct change *change);
void coracle_forget_dir(struct batch *batch);
void coracle_forget_child(struct batch *batch);

/* freshen.c */
int coracle_find_dir(const struct path *root, const char *name, struct path *dir);
void coracle_ask(const struct path *dir, struct dentry *child, struct told *told);
void coracle_freshen_dir(const struct path *dir, struct told *told);
struct dentry *coracle_cached(const struct path *dir, const struct qstr *name);
struct dentry *coracle_look(const struct path *dir, const struct qstr *name);
bool coracle_gone(const struct path *dir, struct dentry *child);
void coracle_freshen_content(const struct path *dir, struct dentry *child, struct told *told);

/* local.c */
enum local_kind { LOCAL_CONTENT, LOCAL_CREATE, LOCAL_DELETE, LOCAL_FROM, LOCAL_TO };
int coracle_local_start(void);
void coracle_local_end(void);
int coracle_follow(struct super_block *sb);
bool coracle_is_echo(const struct path *dir, const struct qstr *name,
		     enum local_kind kind);
u64 coracle_noted(void);
bool coracle_is_content_echo(const struct path *dir, const struct qstr *name,
			     struct dentry *child, struct told *told, bool *waited);
void coracle_settle(const struct path *dir, struct dentry *child);

/* lost.c */
void coracle_lose(const struct path *dir, const struct qstr *name, struct dentry *file);
struct dentry *coracle_found(const struct path *dir, const struct qstr *name);
void coracle_lost_end(void);

/* forget.c */
void coracle_forget_start(void);
void coracle_forget_end(void);

/* overflow.c */
void coracle_overflow(struct super_block *sb, struct vfsmount *mnt);
void coracle_overflow_groups(struct inode *inode, struct fsnotify_group *own);

#endif
