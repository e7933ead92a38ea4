use coracle_vm_driver::Share;

use super::*;

fn config() -> VmConfig {
    VmConfig {
        name: "coracle".into(),
        cpus: 2,
        memory_mib: 2048,
        kernel: "/image/vmlinuz".into(),
        initramfs: "/image/initramfs.img".into(),
        cmdline: "panic=-1".into(),
        disks: vec![
            Disk {
                serial: "root".into(),
                path: "/image/root.squashfs".into(),
                layer: None,
                read_only: true,
            },
            Disk {
                serial: "data".into(),
                path: "/state/a,b/data.raw".into(),
                layer: None,
                read_only: false,
            },
        ],
        shares: vec![Share {
            tag: "share0".into(),
            path: "/home/someone".into(),
            read_only: false,
        }],
        console_log: "/state/log/vm.log".into(),
        runtime_dir: "/state/run".into(),
    }
}

fn built(config: &VmConfig, accelerator: Accelerator) -> Result<String, DriverError> {
    let means = Means {
        incoming: false,
        machine: Machine::here(),
        accelerator,
        sandbox: true,
    };
    let channels = Channels {
        memory: 9,
        qmp: 10,
        transport: 11,
        shares: vec![12],
    };
    arguments(config, &means, &channels).map(|line| line.join("\n"))
}

#[track_caller]
fn assert_has(line: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(line.contains(part), "{part} is not in\n{line}");
    }
}

#[test]
fn memory_is_shared_and_the_kernel_booted_directly() {
    let line = built(&config(), Accelerator::Tcg).unwrap();
    assert_has(
        &line,
        &[
            "memory-backend=memory",
            "memory-backend-file,id=memory,mem-path=/proc/self/fd/9,size=2048M,share=on",
            "-kernel\n/image/vmlinuz\n-initrd\n/image/initramfs.img",
            "-no-reboot",
            "-nodefaults",
            "-no-user-config",
            "-sandbox\non,obsolete=deny",
        ],
    );
    assert_has(&line, &[" panic=-1\n"]);
}

#[test]
fn each_accelerator_has_its_own_cpu() {
    let tcg = built(&config(), Accelerator::Tcg).unwrap();
    // Emulated, these are slow.
    #[cfg(target_arch = "x86_64")]
    let cpu = "max,erms=off,fsrm=off,fzrm=off,fsrs=off,fsrc=off";
    #[cfg(not(target_arch = "x86_64"))]
    let cpu = "max";
    assert_has(&tcg, &[&format!("-accel\ntcg,thread=multi\n-cpu\n{cpu}\n")]);
    let kvm = built(&config(), Accelerator::Kvm).unwrap();
    assert_has(&kvm, &["-accel\nkvm\n-cpu\nhost\n"]);
    assert!(!kvm.contains("tcg"), "{kvm}");
}

#[test]
fn disks_are_found_by_serial_and_flush_to_the_host() {
    let line = built(&config(), Accelerator::Tcg).unwrap();
    assert_has(
        &line,
        &[
            "driver=raw,node-name=disk0,read-only=on,cache.direct=off,cache.no-flush=off,\
             file.driver=file,file.filename=/image/root.squashfs,file.aio=threads",
            "virtio-blk-pci,drive=disk0,serial=root,iothread=io0,write-cache=on",
            "node-name=disk1,discard=unmap,detect-zeroes=unmap",
            "file.filename=/state/a,,b/data.raw,file.aio",
            "virtio-blk-pci,drive=disk1,serial=data",
        ],
    );
    assert!(!line.contains("unsafe"), "{line}");
}

#[test]
fn a_layer_takes_the_writes_of_its_disk() {
    let mut config = config();
    config.disks[1].layer = Some("/state/data.qcow2".into());
    let line = built(&config, Accelerator::Tcg).unwrap();
    assert_has(
        &line,
        &[
            "driver=raw,node-name=disk1,read-only=on,cache.direct=off,cache.no-flush=off,\
             file.driver=file,file.filename=/state/a,,b/data.raw",
            "driver=qcow2,node-name=disk1-layer,discard=unmap,detect-zeroes=unmap,backing=disk1,\
             cache.direct=off,cache.no-flush=off,file.driver=file,file.filename=/state/data.qcow2",
            "virtio-blk-pci,drive=disk1-layer,serial=data",
        ],
    );
}

#[test]
fn everything_is_reached_over_inherited_descriptors() {
    let line = built(&config(), Accelerator::Tcg).unwrap();
    assert_has(
        &line,
        &[
            "socket,id=qmp,fd=10\n-mon\nchardev=qmp,mode=control",
            "socket,id=transport,fd=11",
            "virtserialport,chardev=transport,name=org.coracle.transport",
            "socket,id=share0,fd=12\n-device\nvhost-user-fs-pci,chardev=share0,tag=share0",
            "file,id=console,path=/state/log/vm.log,append=on",
        ],
    );
    assert!(!line.contains("server="), "{line}");
    assert!(!line.contains("hostfwd"), "{line}");
}

#[test]
fn what_qemu_could_misread_is_refused() {
    let refused = |change: &dyn Fn(&mut VmConfig)| {
        let mut config = config();
        change(&mut config);
        assert!(matches!(
            built(&config, Accelerator::Tcg),
            Err(DriverError::Config(_))
        ));
    };
    refused(&|config| config.disks[0].serial = "a,write-cache=off".into());
    refused(&|config| config.disks[0].serial = "x".repeat(21));
    refused(&|config| config.shares[0].tag = String::new());
    refused(&|config| config.shares[0].tag = "x".repeat(37));
    refused(&|config| {
        use std::os::unix::ffi::OsStringExt;
        config.kernel = std::ffi::OsString::from_vec(vec![b'/', 0xff]).into();
    });
}
