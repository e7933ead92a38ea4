// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/coracle-events: a write is one message. A read tells of the last one
 * which records were the guest's own doing and raised nothing: a bit for each,
 * the lowest first.
 */
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "coracle_events.h"

static DEFINE_MUTEX(one_writer);

/* What a reader of the device is told; the writers' lock guards it. */
struct echoes {
	u32 count;
	unsigned long bits[];
};

/* All or nothing: a message with one bad record raises no event at all. */
static int check(const char *at, const char *end, u32 count)
{
	struct change change;

	while (count--)
		if (!coracle_next(&at, end, &change))
			return -EINVAL;
	return at == end ? 0 : -EINVAL;
}

static int work_off(struct batch batch, const char *at, const char *end, struct echoes *echoes)
{
	struct change change;
	u32 done = 0;
	int error = 0;

	while (done < echoes->count && !error && coracle_next(&at, end, &change)) {
		batch.echo = false;
		error = coracle_deliver(&batch, &change);
		if (batch.echo)
			__set_bit(done, echoes->bits);
		done++;
		if (fatal_signal_pending(current))
			error = -EINTR;
		cond_resched();
	}
	coracle_forget_dir(&batch);
	return error;
}

static int take(const char *message, size_t length, struct file *device)
{
	const struct coracle_header *header = (const void *)message;
	const char *first = message + sizeof(*header), *end = message + length;
	u32 count = le32_to_cpu(header->count);
	struct echoes *echoes;
	struct file *root;
	int error;

	if (le32_to_cpu(header->magic) != CORACLE_MAGIC ||
	    le32_to_cpu(header->bytes) != length)
		return -EINVAL;
	error = check(first, end, count);
	if (error)
		return error;
	echoes = kvzalloc(struct_size(echoes, bits, BITS_TO_LONGS(count)), GFP_KERNEL);
	if (!echoes)
		return -ENOMEM;
	echoes->count = count;
	kvfree(device->private_data);
	device->private_data = echoes;
	root = fget_raw(le32_to_cpu(header->root));
	if (!root)
		return -EBADF;
	if (!S_ISDIR(file_inode(root)->i_mode) ||
	    root->f_path.dentry->d_sb->s_magic != FUSE_SUPER_MAGIC)
		error = -ENOTDIR;
	else
		error = coracle_follow(root->f_path.dentry->d_sb);
	if (!error)
		error = work_off((struct batch){ .root = &root->f_path,
						 .nobody = file_inode(device) },
				 first, end, echoes);
	fput(root);
	return error;
}

static ssize_t events_write(struct file *file, const char __user *from, size_t length,
			    loff_t *offset)
{
	char *message;
	int error;

	if (length < sizeof(struct coracle_header) || length > CORACLE_LONGEST)
		return -EINVAL;
	message = vmemdup_user(from, length);
	if (IS_ERR(message))
		return PTR_ERR(message);
	error = mutex_lock_killable(&one_writer);
	if (!error) {
		error = take(message, length, file);
		mutex_unlock(&one_writer);
	}
	kvfree(message);
	return error ?: length;
}

static ssize_t events_read(struct file *file, char __user *to, size_t length, loff_t *offset)
{
	const struct echoes *echoes;
	ssize_t taken = 0;

	if (mutex_lock_killable(&one_writer))
		return -EINTR;
	echoes = file->private_data;
	if (echoes) {
		taken = min_t(size_t, length, DIV_ROUND_UP(echoes->count, BITS_PER_BYTE));
		if (copy_to_user(to, echoes->bits, taken))
			taken = -EFAULT;
	}
	mutex_unlock(&one_writer);
	return taken;
}

static int events_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static int events_open(struct inode *inode, struct file *file)
{
	/* A miscdevice leaves itself here. */
	file->private_data = NULL;
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = events_open,
	.read = events_read,
	.write = events_write,
	.release = events_release,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "coracle-events",
	.fops = &operations,
	.mode = 0600,
};

static int __init start(void)
{
	int error = coracle_local_start();

	if (error)
		return error;
	error = misc_register(&device);
	if (error)
		coracle_local_end();
	else
		coracle_forget_start();
	return error;
}

static void __exit end(void)
{
	misc_deregister(&device);
	coracle_forget_end();
	coracle_lost_end();
	coracle_local_end();
}

module_init(start);
module_exit(end);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("inotify events of changes that the host made to a virtiofs share");
