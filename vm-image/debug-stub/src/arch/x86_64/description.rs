//! The target description: GDB's own names and types, so that it shows registers as it always does.

use std::fmt::Write;

use nix::unistd::Pid;

use super::registers;

const GENERAL: [&str; 16] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

const FLOAT: [&str; 8] = [
    "fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop",
];

const VECTORS: &str = r#"<vector id="v8bf16" type="bfloat16" count="8"/><vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/><vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/><union id="vec128"><field name="v8_bfloat16" type="v8bf16"/><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>"#;

const EFLAGS: [(&str, u32); 17] = [
    ("CF", 0),
    ("", 1),
    ("PF", 2),
    ("AF", 4),
    ("ZF", 6),
    ("SF", 7),
    ("TF", 8),
    ("IF", 9),
    ("DF", 10),
    ("OF", 11),
    ("NT", 14),
    ("RF", 16),
    ("VM", 17),
    ("AC", 18),
    ("VIF", 19),
    ("VIP", 20),
    ("ID", 21),
];

const MXCSR: [(&str, u32); 14] = [
    ("IE", 0),
    ("DE", 1),
    ("ZE", 2),
    ("OE", 3),
    ("UE", 4),
    ("PE", 5),
    ("DAZ", 6),
    ("IM", 7),
    ("DM", 8),
    ("ZM", 9),
    ("OM", 10),
    ("UM", 11),
    ("PM", 12),
    ("FZ", 15),
];

/// The description in the order of [`super::Registers`]' bytes; with AVX where a thread of this
/// machine has it.
pub(crate) fn description(tid: Pid) -> String {
    let mut xml = String::from(
        r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>i386:x86-64</architecture><osabi>GNU/Linux</osabi>"#,
    );
    feature(&mut xml, "org.gnu.gdb.i386.core", |xml| {
        flags(xml, "i386_eflags", &EFLAGS);
        for name in GENERAL {
            let kind = match name {
                "rbp" | "rsp" => "data_ptr",
                _ => "int64",
            };
            register(xml, name, 64, kind);
        }
        register(xml, "rip", 64, "code_ptr");
        register(xml, "eflags", 32, "i386_eflags");
        for name in ["cs", "ss", "ds", "es", "fs", "gs"] {
            register(xml, name, 32, "int32");
        }
        for number in 0..8 {
            register(xml, &format!("st{number}"), 80, "i387_ext");
        }
        for name in FLOAT {
            grouped(xml, name, "int", "float");
        }
    });
    feature(&mut xml, "org.gnu.gdb.i386.sse", |xml| {
        xml.push_str(VECTORS);
        flags(xml, "i386_mxcsr", &MXCSR);
        for number in 0..16 {
            register(xml, &format!("xmm{number}"), 128, "vec128");
        }
        grouped(xml, "mxcsr", "i386_mxcsr", "vector");
    });
    feature(&mut xml, "org.gnu.gdb.i386.linux", |xml| {
        register(xml, "orig_rax", 64, "int");
    });
    feature(&mut xml, "org.gnu.gdb.i386.segments", |xml| {
        register(xml, "fs_base", 64, "int");
        register(xml, "gs_base", 64, "int");
    });
    if registers::has_avx(tid) {
        feature(&mut xml, "org.gnu.gdb.i386.avx", |xml| {
            for number in 0..16 {
                register(xml, &format!("ymm{number}h"), 128, "uint128");
            }
        });
    }
    xml.push_str("</target>");
    xml
}

fn feature(xml: &mut String, name: &str, content: impl FnOnce(&mut String)) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(xml, r#"<feature name="{name}">"#);
    content(xml);
    xml.push_str("</feature>");
}

fn register(xml: &mut String, name: &str, bits: u32, kind: &str) {
    let _ = write!(
        xml,
        r#"<reg name="{name}" bitsize="{bits}" type="{kind}"/>"#
    );
}

fn grouped(xml: &mut String, name: &str, kind: &str, group: &str) {
    let _ = write!(
        xml,
        r#"<reg name="{name}" bitsize="32" type="{kind}" group="{group}"/>"#
    );
}

fn flags(xml: &mut String, id: &str, fields: &[(&str, u32)]) {
    let _ = write!(xml, r#"<flags id="{id}" size="4">"#);
    for (name, bit) in fields {
        let _ = write!(xml, r#"<field name="{name}" start="{bit}" end="{bit}"/>"#);
    }
    xml.push_str("</flags>");
}
