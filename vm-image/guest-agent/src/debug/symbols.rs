//! What an executable says about itself.

use std::fs;

use object::{Object, ObjectSection};

/// What a debugger will miss in the program, in one sentence.
pub(super) fn note(pid: u32, program: &str) -> Option<String> {
    let data = fs::read(format!("/proc/{pid}/exe")).ok()?;
    let file = object::File::parse(&*data).ok()?;
    let has = |name: &str| {
        let section = file.section_by_name(name);
        section.is_some_and(|section| section.size() > 0)
    };
    if has(".debug_info") || has(".zdebug_info") || has(".debug_line") {
        return None;
    }
    let remedy = "build it with -g, and do not strip it";
    Some(match has(".symtab") {
        true => {
            format!("{program} has no debug information, so there are no source lines: {remedy}")
        }
        false => format!(
            "{program} is stripped, so there are neither source lines nor names of its functions: \
             {remedy}"
        ),
    })
}
