//! A guest of two kilobytes that does what a kernel's first second does.
//!
//! A boot sector, since the BIOS before it and the switch after it are where broken
//! hosts fail: real mode with BIOS calls; paging and long mode; fresh memory;
//! memory-mapped IO, also by a string instruction; SSE and AVX; a halted CPU woken by timer
//! interrupts. Then it ends QEMU through the isa-debug-exit device.

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::global_asm;

    /// QEMU's exit code is twice the value that the guest writes (0x2a), plus one.
    pub(in crate::accelerator) const EXIT_CODE: i32 = 2 * 0x2a + 1;

    /// The sectors, for address 0x7c00.
    pub(in crate::accelerator) fn program() -> &'static [u8] {
        // SAFETY: the assembly below defines an array of exactly this size, and nothing writes to it.
        unsafe { &coracle_test_guest }
    }

    unsafe extern "C" {
        static coracle_test_guest: [u8; 2048];
    }

    // Data for this program, code only for the guest.
    global_asm!(
        r#"
    .pushsection .rodata.coracle_test_guest, "a", @progbits
    .globl coracle_test_guest
    .hidden coracle_test_guest
    .code16
coracle_test_guest:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    // The rest of the program, by the BIOS, with its interrupts.
    movw $0x0203, %ax
    movw $0x0002, %cx
    movb $0x00, %dh
    movw $0x7e00, %bx
    int $0x13
    jc 9f
    jmp 1f
9:  hlt
    jmp 9b
    .org coracle_test_guest + 510
    .byte 0x55, 0xaa
1:
    // Page tables: 0 to 1 GiB, and the 2 MiB around the local APIC.
    movw $0x1000, %di
    xorl %eax, %eax
    movw $0x1000, %cx
    rep stosl
    movl $0x2003, 0x1000
    movl $0x3003, 0x2000
    movl $0x4003, 0x2018
    movl $0xfee00083, 0x4fb8
    movw $0x3000, %di
    movl $0x83, %eax
    movw $512, %cx
2:  movl %eax, (%di)
    addw $8, %di
    addl $0x200000, %eax
    loop 2b
    // Straight into long mode.
    lgdtl (.Lgdt_pointer - coracle_test_guest + 0x7c00)
    movl %cr4, %eax
    orl $0x620, %eax
    movl %eax, %cr4
    movl $0x1000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80000011, %eax
    movl %eax, %cr0
    ljmpl $8, $(.Llong_mode - coracle_test_guest + 0x7c00)
    .code64
.Llong_mode:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $0x7c00, %esp
    // One write and one read to each page of 32 MiB.
    movl $0x100000, %edi
3:  movl %edi, (%rdi)
    cmpl %edi, (%rdi)
    jne .Lfail
    addl $0x1000, %edi
    cmpl $0x2100000, %edi
    jb 3b
    // Memory-mapped IO that the hypervisor must decode.
    movl $0xfee00030, %esi
    movl (%rsi), %eax
    movl $0x8000, %edi
    movl $2, %ecx
    rep movsl
    testl %eax, %eax
    jz .Lfail
    // SSE.
    movl $0x40490fdb, %eax
    movd %eax, %xmm0
    movaps %xmm0, %xmm1
    addps %xmm1, %xmm0
    movd %xmm0, %eax
    cmpl $0x40c90fdb, %eax
    jne .Lfail
    // AVX where there is one.
    movl $1, %eax
    cpuid
    andl $0x14000000, %ecx
    cmpl $0x14000000, %ecx
    jne 4f
    movq %cr4, %rax
    orl $0x40000, %eax
    movq %rax, %cr4
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $7, %eax
    xsetbv
    vbroadcastss (.Lfloat - coracle_test_guest + 0x7c00), %ymm0
    vaddps %ymm0, %ymm0, %ymm1
    vextractf128 $1, %ymm1, %xmm2
    vmovd %xmm2, %eax
    cmpl $0x40000000, %eax
    jne .Lfail
    // Timer interrupts wake a halted CPU, three times.
4:  movl $0x9000, %edi
    xorl %eax, %eax
    movl $0x400, %ecx
    rep stosl
    movl $(.Ltick - coracle_test_guest + 0x7c00), %eax
    movw %ax, 0x9200
    movw $8, 0x9202
    movw $0x8e00, 0x9204
    shrl $16, %eax
    movw %ax, 0x9206
    lidt (.Lidt_pointer - coracle_test_guest + 0x7c00)
    movb $0x11, %al
    outb %al, $0x20
    movb $0x20, %al
    outb %al, $0x21
    movb $0x04, %al
    outb %al, $0x21
    movb $0x01, %al
    outb %al, $0x21
    movb $0xfe, %al
    outb %al, $0x21
    xorl %ebx, %ebx
5:  sti
    hlt
    cli
    cmpl $3, %ebx
    jb 5b
    movl $0x2a, %eax
    jmp 6f
.Lfail:
    movl $0x01, %eax
6:  movw $0xf4, %dx
    outl %eax, %dx
7:  hlt
    jmp 7b
.Ltick:
    pushq %rax
    incl %ebx
    movb $0x20, %al
    outb %al, $0x20
    popq %rax
    iretq
.Lfloat:
    .long 0x3f800000
    .balign 8
.Lgdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
.Lgdt_pointer:
    .word 23
    .long .Lgdt - coracle_test_guest + 0x7c00
.Lidt_pointer:
    .word 0x3ff
    .quad 0x9000
    .code64
    .org coracle_test_guest + 2048
    .popsection
    "#,
        options(att_syntax)
    );
}

/// None for other processors; KVM is not tried there.
#[cfg(not(target_arch = "x86_64"))]
mod other {
    pub(in crate::accelerator) const EXIT_CODE: i32 = -1;

    pub(in crate::accelerator) fn program() -> &'static [u8] {
        &[]
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use other::{EXIT_CODE, program};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{EXIT_CODE, program};
