//! The stub before a real gdb, on programs of this machine.
//!
//! They need gdb and a C compiler; `cargo xtask test unit` brings both.

#![cfg(target_arch = "x86_64")]

mod stage;

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use stage::{Attached, Program, gdb};

/// Commands that have gdb send a signal while it waits for the program.
fn later(process: u32, signal: u8) -> [String; 2] {
    let kill = format!("lambda: os.kill({process}, {signal})");
    [
        "python import threading, os".into(),
        format!("python threading.Timer(1, {kill}).start()"),
    ]
}

/// A line in `busy.c`.
const STEP: &str = "break step";

#[test]
fn source_lines_backtrace_variables_and_registers() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let said = gdb(
        attached.port,
        &[
            "info threads",
            STEP,
            "continue",
            "backtrace",
            "print name[0]",
            "delete",
            "finish",
            "print $ymm0.v8_int32[7]",
            "set var $ymm3.v4_int64[3] = 77",
            "print $ymm3.v4_int64[3]",
            "set var $r12 = 78",
            "print $r12",
            "print $mxcsr",
        ],
    );
    said.has("(worker-a)");
    said.has("(worker-c)");
    // Which of them it is, chance decides.
    said.has("name=name@entry=0x");
    said.has(" \"worker-");
    said.has("hit Breakpoint 1");
    said.has("busy.c:");
    said.has("long next = number + 1;");
    said.has("in work (name=");
    said.has("= 119 'w'");
    said.has("Value returned is");
    said.has("= 77");
    said.has("= 78");
    said.has("= [ ");
}

#[test]
fn a_variable_is_changed_and_the_program_goes_on() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    gdb(
        attached.port,
        &[
            "print halves[2]",
            "set var halves[2] = 9.25",
            "print halves[2]",
            "set var sum = -1000000000000",
            "detach",
        ],
    )
    .has("= 9.25");
    program.goes_on();
    assert!(program.sum() < 0, "{}", program.sum());
}

#[test]
fn watchpoint_tells_the_old_and_the_new_value() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let said = gdb(
        attached.port,
        &[
            "watch watched",
            "continue",
            "continue",
            "delete",
            "rwatch halves[0]",
            "delete",
            "hbreak step",
            "continue",
        ],
    );
    said.has("Hardware watchpoint 1: watched");
    said.has("Old value =");
    said.has("Hardware assisted breakpoint 3");
    said.has("hit Breakpoint 3");
    program.goes_on();
}

#[test]
fn steps_stay_in_their_thread() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let said = gdb(
        attached.port,
        &[
            STEP,
            "continue",
            "next",
            "stepi",
            "next",
            "next",
            "set scheduler-locking on",
            "next",
            "next",
            "thread name the-one",
            "set scheduler-locking off",
            "delete",
        ],
    );
    said.has("hit Breakpoint 1");
    said.has_not("SIGTRAP");
    program.goes_on();
}

#[test]
fn signals_are_told_and_passed_on() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let before = program.signals();
    let rest = ["continue".into(), "print signals".into()];
    let commands = [&later(program.id(), 10)[..], &rest].concat();
    gdb(attached.port, &commands).has("received signal SIGUSR1");
    program.goes_on();
    // It had not been delivered when gdb left; detaching does that.
    assert_eq!(program.signals(), before + 1);
}

#[test]
fn interrupted_and_left() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let said = gdb(
        attached.port,
        &[
            // In the shell that GDB starts, $PPID is GDB. One that comes while GDB runs its own
            // Python is lost there.
            "shell (sleep 1; while kill -INT $PPID; do sleep 5; done) > /dev/null 2>&1 &",
            "continue",
            "info threads",
        ],
    );
    said.has("received signal SIGINT");
    program.goes_on();
}

/// GDB has waited too long for an answer, which comes all the same.
#[test]
fn an_impatient_client_is_served_on() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let mut client = attached.connect();
    for _ in 0..3 {
        client.send(b"-");
        let stop = client.ask("?");
        assert!(stop.starts_with('T'), "{stop}");
    }
    drop(client);
    attached.ended();
    program.goes_on();
}

/// GDB asks for it also while it passes over a signal, and then resumes.
#[test]
fn an_interruption_while_it_is_stopped_follows_the_resumption() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let mut client = attached.connect();
    for _ in 0..20 {
        client.send(b"\x03");
        let stop = client.ask("vCont;c");
        assert!(stop.starts_with('T'), "{stop}");
        // Those of threads that run cannot be read.
        let registers = client.ask("g");
        assert!(!registers.starts_with('E'), "after {stop}: {registers}");
    }
    drop(client);
    attached.ended();
    program.goes_on();
}

#[test]
fn a_client_that_is_killed_leaves_nothing_behind() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    gdb(
        attached.port,
        &[
            "break step if 0",
            "python import threading, os",
            "python threading.Timer(1, lambda: os.kill(os.getpid(), 9)).start()",
            "continue",
        ],
    );
    program.goes_on();
}

#[test]
fn a_stub_that_is_killed_leaves_no_breakpoint() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let mut client = attached.connect();
    // A place that no thread passes soon.
    let at = program.address_of("never");
    client.ask(&format!("Z0,{at:x},1"));
    assert_eq!(program.byte_at(at), 0xcc);
    attached.kill();
    program.goes_on();
    assert_ne!(program.byte_at(at), 0xcc);
}

#[test]
fn a_process_that_ends_is_told() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let commands = [&later(program.id(), 9)[..], &["continue".into()]].concat();
    gdb(attached.port, &commands).has("terminated with signal SIGKILL");
}

#[test]
fn another_program_in_the_process_can_be_debugged_too() {
    let program = Program::shell("sleep 3; exec sleep 1000");
    let attached = Attached::to(program.id());
    gdb(attached.port, &["continue"]).has("SIGTRAP");
    attached.ended();
    assert!(program.is_alive());
    let attached = Attached::to(program.id());
    gdb(attached.port, &["info proc exe"]).has("/usr/bin/sleep from remote");
    assert!(program.is_alive());
}

#[test]
fn a_stopped_process_stays_stopped() {
    let program = Program::busy();
    program.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_millis(300));
    let attached = Attached::to(program.id());
    gdb(attached.port, &["print sum", "detach"]).has("= ");
    attached.ended();
    assert!(program.state().starts_with('T'), "{}", program.state());
    program.signal(Signal::SIGCONT);
    program.goes_on();
}

#[test]
fn one_tracer_at_a_time() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let _client = attached.connect();
    let second = Attached::to(program.id());
    let client = second.connect_refused();
    assert!(
        client.contains("is being traced already, by attach"),
        "{client}"
    );
    program.is_alive();
}

#[test]
fn a_process_that_is_not_there() {
    let attached = Attached::to(i32::MAX as u32);
    let said = attached.connect_refused();
    assert!(said.contains("has ended"), "{said}");
}

#[test]
fn garbage_ends_the_session_only() {
    let program = Program::busy();
    let attached = Attached::to(program.id());
    let mut client = attached.connect();
    client.send(b"GET / HTTP/1.1\r\n\r\n$$$#zz\x00\xff$Zfoo,bar#00$vCont;c#\xff");
    drop(client);
    attached.ended();
    program.goes_on();
}

/// With breakpoints that are hit all the time, each time ended otherwise.
#[test]
fn twenty_times_attached_and_detached() {
    let program = Program::busy();
    let cycles = std::env::var("CORACLE_DEBUG_CYCLES").ok();
    let cycles = cycles.and_then(|cycles| cycles.parse().ok()).unwrap_or(20);
    let at = program.address_of("step");
    for cycle in 0..cycles {
        let attached = Attached::to(program.id());
        let mut client = attached.connect();
        assert_eq!(client.ask(&format!("Z0,{at:x},1")), "OK");
        match cycle % 4 {
            // Gone while all run and hit it.
            0 => client.send(b"$vCont;c#a8"),
            // Gone at a stop.
            1 => assert!(client.ask("vCont;c").starts_with('T')),
            2 => {
                assert!(client.ask("vCont;c").starts_with('T'));
                client.ask("D");
            }
            _ => {}
        }
        drop(client);
        attached.ended();
        program.goes_on();
    }
}
