// SPDX-License-Identifier: GPL-2.0
/* Records of a message. Nothing in it is believed. */
#include <linux/string.h>

#include "coracle_events.h"

/* A string of this length with its NUL and no other. */
static bool string(const char **at, const char *end, u16 length, const char **text)
{
	if (end - *at <= length || (*at)[length] != '\0' || strnlen(*at, length) != length)
		return false;
	*text = *at;
	*at += length + 1;
	return true;
}

static bool is_dots(const char *name, size_t length)
{
	return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

static bool is_name(const char *name, size_t length)
{
	return length > 0 && length <= NAME_MAX && !is_dots(name, length) &&
	       !memchr(name, '/', length);
}

/* Empty, or names with one slash between each two. */
static bool is_dir(const char *dir)
{
	const char *slash;

	if (!*dir)
		return true;
	if (strlen(dir) >= PATH_MAX)
		return false;
	for (; (slash = strchr(dir, '/')); dir = slash + 1)
		if (!is_name(dir, slash - dir))
			return false;
	return is_name(dir, strlen(dir));
}

static bool fits(const struct change *change)
{
	bool named = change->name.len, moves = change->to_name.len;

	if (named && !is_name(change->name.name, change->name.len))
		return false;
	if (moves && !is_name(change->to_name.name, change->to_name.len))
		return false;
	if (!is_dir(change->dir) || !is_dir(change->to_dir))
		return false;
	if (moves != (change->kind == CORACLE_MOVED) || (*change->to_dir && !moves))
		return false;
	switch (change->kind) {
	case CORACLE_ATTRIB:
		return true;
	case CORACLE_DELETE_SELF:
	case CORACLE_MOVE_SELF:
	case CORACLE_OVERFLOW:
		return !named;
	default:
		return named;
	}
}

/* Reads the record at *at and steps over it; false when it is no record. */
bool coracle_next(const char **at, const char *end, struct change *change)
{
	struct coracle_record record;
	const char *name, *to_name;

	if (end - *at < sizeof(record))
		return false;
	memcpy(&record, *at, sizeof(record));
	*at += sizeof(record);
	if (!record.kind || record.kind >= CORACLE_KINDS || record.flags & ~CORACLE_FLAGS)
		return false;
	if (!string(at, end, le16_to_cpu(record.dir), &change->dir) ||
	    !string(at, end, le16_to_cpu(record.name), &name) ||
	    !string(at, end, le16_to_cpu(record.to_dir), &change->to_dir) ||
	    !string(at, end, le16_to_cpu(record.to_name), &to_name))
		return false;
	change->kind = record.kind;
	change->isdir = record.flags & CORACLE_ISDIR ? FS_ISDIR : 0;
	change->linked = record.flags & CORACLE_LINKED;
	change->name = (struct qstr)QSTR_INIT(name, le16_to_cpu(record.name));
	change->to_name = (struct qstr)QSTR_INIT(to_name, le16_to_cpu(record.to_name));
	return fits(change);
}
