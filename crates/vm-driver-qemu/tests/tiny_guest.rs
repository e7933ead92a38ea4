//! The driver from start to end with real processes and a guest of a few bytes.
//! Each takes a fraction of a second, under emulation too; they need QEMU and nothing else.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use coracle_vm_driver::{
    Disk, DriverError, ExitReason, RunningVm, Share, VmConfig, VmDriver, VmEvent,
};
use coracle_vm_driver_qemu::QemuDriver;
use tempfile::TempDir;

/// Writes `.` to the first serial port.
const SAY: &[u8] = &[0x66, 0xba, 0xf8, 0x03, 0xb0, b'.', 0xee];
/// Writes "sleep, type S5" to the ACPI control register.
const POWER_OFF: &[u8] = &[0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef];
/// Without an interrupt table, this resets the machine.
const CRASH: &[u8] = &[0x0f, 0x0b];
/// Jumps to itself.
const SPIN: &[u8] = &[0xeb, 0xfe];

/// Writes `a` and then, every few milliseconds, the next byte.
const COUNT: &[u8] = &[
    0xb0, b'a', 0x66, 0xba, 0xf8, 0x03, 0xee, 0xfe, 0xc0, 0xb9, 0, 0, 0x20, 0, 0x49, 0x75, 0xfd,
    0xeb, 0xf3,
];

struct Bench {
    dir: TempDir,
    driver: QemuDriver,
}

impl Bench {
    /// None, with a word about it, where there is no QEMU.
    async fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let driver = QemuDriver::new(dir.path());
        match driver.probe().await {
            Ok(support) => eprintln!("{support:?}"),
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        }
        Some(Self { dir, driver })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self, kernel: &[u8]) -> VmConfig {
        let file = |name: &str, bytes: &[u8]| {
            fs::write(self.path(name), bytes).unwrap();
            self.path(name)
        };
        VmConfig {
            name: "tiny, with a comma".into(),
            cpus: 1,
            memory_mib: 64,
            kernel: file("kernel", kernel),
            initramfs: file("initramfs", &[0; 512]),
            cmdline: "panic=-1".into(),
            disks: vec![
                Disk {
                    serial: "root".into(),
                    path: file("root, 1.raw", &[0; 4096]),
                    layer: None,
                    read_only: true,
                },
                Disk {
                    serial: "data".into(),
                    path: file("data.raw", &[0; 4096]),
                    layer: None,
                    read_only: false,
                },
            ],
            shares: Vec::new(),
            console_log: self.path("vm.log"),
            runtime_dir: self.dir.path().into(),
        }
    }

    async fn start(&self, code: &[&[u8]]) -> RunningVm {
        let config = self.config(&kernel(&code.concat()));
        self.driver.start(&config).await.unwrap()
    }

    /// Waits until a guest that counts has gone on.
    async fn counts_on(&self) {
        let counted = || fs::read(self.path("vm.log")).unwrap().len();
        let before = counted();
        while counted() < before + 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn console(&self) -> String {
        fs::read_to_string(self.path("vm.log")).unwrap()
    }
}

/// An ELF file with the note that makes QEMU enter it in 32-bit protected mode (PVH).
fn kernel(code: &[u8]) -> Vec<u8> {
    const BASE: u32 = 0x10_0000;
    const NOTE: u32 = 52 + 2 * 32;
    const ENTRY: u32 = NOTE + 20;
    let length = ENTRY + code.len() as u32;
    let segment = |kind, offset, length, align| {
        [
            kind,
            offset,
            BASE + offset,
            BASE + offset,
            length,
            length,
            7,
            align,
        ]
    };
    let mut bytes = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec();
    // Version, entry, program headers, no section headers, flags.
    let mut words = vec![1, BASE + ENTRY, 52, 0, 0];
    // Sizes of the headers, two bytes each, and that there are two program headers.
    words.extend([52 | (32 << 16), 2, 0]);
    words.extend(segment(1, 0, length, 0x1000));
    words.extend(segment(4, NOTE, 20, 4));
    // Xen's note 18: the physical entry.
    words.extend([4, 4, 18, u32::from_le_bytes(*b"Xen\0"), BASE + ENTRY]);
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(code);
    bytes
}

async fn next(vm: &mut RunningVm) -> Option<VmEvent> {
    let event = tokio::time::timeout(Duration::from_secs(30), vm.events.recv());
    event.await.expect("an event or the end")
}

/// Kills the processes whose command line has both texts; there must be one.
fn kill_those_with(program: &str, text: &str) {
    let mut killed = 0;
    for entry in fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.contains(program) && line.contains(text) {
            let pid = entry.file_name().into_string().unwrap().parse().unwrap();
            let pid = nix::unistd::Pid::from_raw(pid);
            nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
            killed += 1;
        }
    }
    assert!(killed > 0, "no {program} with {text}");
}

fn command_lines_naming(dir: &Path) -> Vec<String> {
    let text = dir.to_string_lossy();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| line.contains("qemu-system") && line.contains(&*text))
        .collect()
}

#[tokio::test]
async fn a_guest_prints_and_powers_off() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    for console in [".", ".."] {
        let mut vm = bench.start(&[SAY, POWER_OFF, SPIN]).await;
        let end = VmEvent::Exited(ExitReason::GuestPoweredOff);
        assert_eq!(next(&mut vm).await, Some(end));
        assert_eq!(next(&mut vm).await, None);
        assert_eq!(bench.console(), console);
        vm.vm.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_is_a_crash() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let mut vm = bench.start(&[CRASH]).await;
    let end = VmEvent::Exited(ExitReason::GuestCrashed);
    assert_eq!(next(&mut vm).await, Some(end));
}

#[tokio::test]
async fn a_guest_that_spins_is_measured_and_killed() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let mut vm = bench.start(&[SPIN]).await;
    assert!(vm.vm.usage().await.unwrap().resident_bytes > 1 << 20);
    vm.vm.request_power_off().await.unwrap();
    vm.vm.kill().await.unwrap();
    assert_eq!(command_lines_naming(bench.dir.path()), [""; 0]);
    assert_eq!(
        next(&mut vm).await,
        Some(VmEvent::Exited(ExitReason::Killed))
    );
    assert_eq!(next(&mut vm).await, None);
    vm.vm.kill().await.unwrap();
}

#[tokio::test]
async fn dropping_the_vm_ends_it() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let RunningVm { vm, mut events, .. } = bench.start(&[SPIN]).await;
    drop(vm);
    let last = tokio::time::timeout(Duration::from_secs(30), events.recv());
    assert_eq!(
        last.await.unwrap(),
        Some(VmEvent::Exited(ExitReason::Killed))
    );
}

/// Where KVM works the guest proves it; where only the test guest ran, the VM starts nevertheless.
#[tokio::test]
async fn the_first_guest_decides_about_kvm() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let file = bench.path("accelerator.json");
    let Ok(found) = fs::read(&file) else {
        eprintln!("skipped: /dev/kvm may not be opened");
        return;
    };
    let mut record: serde_json::Value = serde_json::from_slice(&found).unwrap();
    let worked = record["kvm"] == "passed";
    record["kvm"] = "passed".into();
    fs::write(&file, record.to_string()).unwrap();
    let vm = bench.start(&[SAY, SPIN]).await;
    let decided: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let expected = if worked { "proven" } else { "failed" };
    assert_eq!(decided["kvm"], expected, "{decided}");
    let support = bench.driver.probe().await.unwrap();
    assert_eq!(support.accelerator_note.is_none(), worked);
    vm.vm.kill().await.unwrap();
}

#[tokio::test]
async fn a_killed_qemu_is_reported() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let mut vm = bench.start(&[SPIN]).await;
    kill_those_with("qemu-system", &bench.dir.path().to_string_lossy());
    let failed = VmEvent::Exited(ExitReason::Failed("QEMU ended by signal 9".into()));
    assert_eq!(next(&mut vm).await, Some(failed));
    vm.vm.kill().await.unwrap();
}

/// Needs virtiofsd too, on `PATH` or in `CORACLE_TOOLS_DIR`.
#[tokio::test]
async fn a_killed_file_server_is_reported_before_the_end() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    if !bench.driver.probe().await.unwrap().capabilities.shares {
        eprintln!("skipped: no virtiofsd");
        return;
    }
    let folder = bench.path("shared, too");
    fs::create_dir(&folder).unwrap();
    let mut config = bench.config(&kernel(SPIN));
    config.shares.push(Share {
        tag: "share0".into(),
        path: folder.clone(),
        read_only: false,
    });
    let mut vm = bench.driver.start(&config).await.unwrap();
    kill_those_with("virtiofsd", &folder.to_string_lossy());
    let why = loop {
        match next(&mut vm).await.unwrap() {
            VmEvent::HelperFailed(why) => break why,
            VmEvent::Degraded(_) => {}
            end => panic!("{end:?}"),
        }
    };
    assert!(why.contains("shared, too"), "{why}");
    vm.vm.kill().await.unwrap();
    assert_eq!(
        next(&mut vm).await,
        Some(VmEvent::Exited(ExitReason::Killed))
    );
}

/// What the driver looks at is what QEMU locks.
#[tokio::test]
async fn a_disk_is_in_use_until_its_vm_is_gone() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let vm = bench.start(&[COUNT]).await;
    bench.counts_on().await;
    let disk = bench.path("data.raw");
    let released = bench.driver.await_released(&disk);
    let soon = tokio::time::timeout(Duration::from_millis(200), released).await;
    assert!(soon.is_err(), "{soon:?}");
    kill_those_with("qemu-system", &bench.dir.path().to_string_lossy());
    bench.driver.await_released(&disk).await.unwrap();
    vm.vm.kill().await.unwrap();
}

#[tokio::test]
async fn saved_memory_is_continued_and_what_is_damaged_is_refused() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    if !bench.driver.probe().await.unwrap().capabilities.suspend {
        eprintln!("skipped: this QEMU or virtiofsd cannot save memory");
        return;
    }
    let config = bench.config(&kernel(COUNT));
    let resume = bench.driver.resume().unwrap();
    let machine = resume.machine(&config).await.unwrap();
    let mut vm = bench.driver.start(&config).await.unwrap();
    let counted = || fs::read(bench.path("vm.log")).unwrap();
    bench.counts_on().await;

    let suspend = vm.vm.suspend().unwrap();
    suspend.pause().await.unwrap();
    let nowhere = suspend.save(&bench.path("no such folder/memory")).await;
    assert!(nowhere.is_err());
    suspend.unpause().await.unwrap();
    bench.counts_on().await;
    suspend.pause().await.unwrap();
    suspend.save(&bench.path("memory")).await.unwrap();
    vm.vm.kill().await.unwrap();
    while next(&mut vm).await.is_some() {}
    assert_eq!(command_lines_naming(bench.dir.path()), [""; 0]);

    let saved = counted().len();
    assert_eq!(resume.machine(&config).await.unwrap(), machine);
    let vm = resume.load(&config, &bench.path("memory")).await.unwrap();
    assert_eq!(counted().len(), saved, "it ran before it was told to");
    vm.vm.suspend().unwrap().unpause().await.unwrap();
    bench.counts_on().await;
    vm.vm.kill().await.unwrap();
    for pair in counted().windows(2) {
        assert_eq!(
            pair[0].wrapping_add(1),
            pair[1],
            "it was not the same guest"
        );
    }

    for damaged in ["QEVM, and no more of it", "coracle memory 1", "nothing"] {
        fs::write(bench.path("memory"), damaged).unwrap();
        let error = resume.load(&config, &bench.path("memory")).await.err();
        assert!(
            matches!(&error, Some(DriverError::Start(why)) if !why.is_empty()),
            "{error:?}"
        );
        assert_eq!(command_lines_naming(bench.dir.path()), [""; 0]);
    }
    let mut other = config.clone();
    other.memory_mib += 1;
    assert_ne!(resume.machine(&other).await.unwrap(), machine);
}

/// One QEMU saves in both forms, one after the other, and each is known by its first bytes.
#[tokio::test]
async fn memory_of_snapshots_and_of_a_suspension_is_continued() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    if !bench.driver.probe().await.unwrap().capabilities.snapshots {
        eprintln!("skipped: this QEMU or virtiofsd cannot take snapshots, or there is no qemu-img");
        return;
    }
    let mut config = bench.config(&kernel(COUNT));
    let vm = bench.driver.start(&config).await.unwrap();
    bench.counts_on().await;
    let layer = bench.path("data.qcow2");
    let layers = bench.driver.layers().unwrap();
    layers
        .create(&bench.path("data.raw"), &layer)
        .await
        .unwrap();
    let snapshots = vm.vm.snapshots().unwrap();
    snapshots.put_on(&layer).await.unwrap();
    let suspend = vm.vm.suspend().unwrap();
    let [first, suspended, second] = ["first", "suspended", "second"].map(|name| bench.path(name));
    snapshots.take(&first, "first").await.unwrap();
    bench.counts_on().await;
    suspend.pause().await.unwrap();
    let checked = suspend.save(&suspended).await.unwrap();
    assert!(checked > config.memory_mib << 20, "{checked}");
    suspend.unpause().await.unwrap();
    bench.counts_on().await;
    snapshots.take(&second, "second").await.unwrap();
    bench.counts_on().await;
    vm.vm.kill().await.unwrap();

    config.disks[1].layer = Some(layer);
    let resume = bench.driver.resume().unwrap();
    for (memory, magic) in [
        (&first, "QEVM"),
        (&suspended, "coracle memory 1"),
        (&second, "QEVM"),
    ] {
        assert!(fs::read(memory).unwrap().starts_with(magic.as_bytes()));
        let vm = resume.load(&config, memory).await.unwrap();
        vm.vm.suspend().unwrap().unpause().await.unwrap();
        bench.counts_on().await;
        vm.vm.kill().await.unwrap();
    }
}

#[tokio::test]
async fn what_qemu_says_is_in_the_error() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let config = bench.config(b"not a kernel");
    let error = bench.driver.start(&config).await.err().unwrap();
    assert!(
        matches!(&error, DriverError::Start(why) if !why.is_empty()),
        "{error:?}"
    );
    assert_eq!(command_lines_naming(bench.dir.path()), [""; 0]);
}

/// This test plays the daemon: it runs itself as a child, and kills that.
#[tokio::test]
async fn nothing_outlives_a_killed_daemon() {
    const DAEMON: &str = "CORACLE_TEST_DAEMON";
    if env::var_os(DAEMON).is_some() {
        let Some(bench) = Bench::new().await else {
            return;
        };
        let _vm = bench.start(&[SPIN]).await;
        fs::write(
            env::var_os(DAEMON).unwrap(),
            bench.dir.path().to_str().unwrap(),
        )
        .unwrap();
        std::future::pending::<()>().await;
    }
    if Bench::new().await.is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("state");
    let mut daemon = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "nothing_outlives_a_killed_daemon"])
        .env(DAEMON, &report)
        .spawn()
        .unwrap();
    let pause = || tokio::time::sleep(Duration::from_millis(20));
    let state = loop {
        match fs::read_to_string(&report) {
            Ok(state) if !state.is_empty() => break PathBuf::from(state),
            _ => pause().await,
        }
        assert!(daemon.try_wait().unwrap().is_none(), "the daemon ended");
    };
    assert_eq!(command_lines_naming(&state).len(), 1);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    while !command_lines_naming(&state).is_empty() {
        pause().await;
    }
    fs::remove_dir_all(state).unwrap();
}
