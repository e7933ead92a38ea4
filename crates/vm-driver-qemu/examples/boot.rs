//! Boots the VM image through the driver alone, runs one command in the guest, and shuts it down.
//!
//! `boot <state folder> <shared folder> <command> [argument…]`
//!
//! The state folder gets the disks, the console's log and `accelerator.json`. `CORACLE_IMAGE_DIR`
//! and `CORACLE_TOOLS_DIR` name image and tools, since an example is not where programs are installed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, io};

use coracle_guest_api::boot::ShareMount;
use coracle_guest_api::exec::{self, ExecFrame, ExecRequest};
use coracle_guest_api::mux::{self, End, Opener};
use coracle_guest_api::{
    BootConfig, CONFIG_DISK, DATA_DISK, Hello, PROTOCOL_VERSION, ROOT_DISK, StreamHeader, preamble,
};
use coracle_host_paths::image_dir;
use coracle_vm_driver::{Disk, Share, VmConfig, VmDriver};
use coracle_vm_driver_qemu::QemuDriver;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    let [state, share, argv @ ..] = &args[..] else {
        return Err("usage: boot <state folder> <shared folder> <command> [argument…]".into());
    };
    let (state, share) = (fs::canonicalize(state)?, fs::canonicalize(share)?);
    let driver = QemuDriver::new(&state);
    println!("{:#?}", driver.probe().await?);
    let secret = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let config = prepare(&state, &share, &driver, secret.trim())?;
    let begun = Instant::now();
    let running = driver.start(&config).await?;
    println!("started after {:?}", begun.elapsed());
    let mut events = running.events;
    let watcher = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            println!("{event:?} after {:?}", begun.elapsed());
        }
    });
    let mut transport = running.transport;
    let nonce = std::array::from_fn(|i| secret.as_bytes()[i]);
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        secret: secret.trim().into(),
        unix_ns: SystemTime::UNIX_EPOCH.elapsed()?.as_nanos() as u64,
        daemon_version: "example".into(),
    };
    let reply = preamble::connect(&mut transport, nonce, &hello).await?;
    println!("{reply:?} after {:?}", begun.elapsed());
    let (opener, _incoming) = mux::start(transport, End::Host);
    let code = run(&opener, argv.to_vec()).await?;
    println!("ended with {code} after {:?}", begun.elapsed());
    println!("{:?}", running.vm.usage().await?);
    opener.open(&StreamHeader::Shutdown).await?;
    tokio::time::timeout(Duration::from_secs(60), watcher).await??;
    Ok(())
}

fn prepare(
    state: &Path,
    share: &Path,
    driver: &QemuDriver,
    secret: &str,
) -> Result<VmConfig, Box<dyn Error>> {
    let image = image_dir(env::consts::ARCH);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let boot = BootConfig {
        protocol: PROTOCOL_VERSION,
        secret: secret.into(),
        hostname: "example".into(),
        network: driver.guest_network(),
        share_files: 1000,
        shares: vec![ShareMount {
            tag: "share0".into(),
            path: text(share),
            read_only: false,
            masks: Vec::new(),
        }],
        engine: serde_json::Map::new(),
        engine_before: None,
        registry_ca: Default::default(),
    };
    fs::write(state.join("config.raw"), boot.to_disk())?;
    let data = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(state.join("data.raw"))?;
    data.set_len(8 << 30)?;
    let disk = |serial: &str, path: PathBuf, read_only| Disk {
        serial: serial.into(),
        path,
        layer: None,
        read_only,
    };
    Ok(VmConfig {
        name: "example".into(),
        cpus: 2,
        memory_mib: 2048,
        kernel: image.join("vmlinuz"),
        initramfs: image.join("initramfs.img"),
        cmdline: "panic=-1".into(),
        disks: vec![
            disk(ROOT_DISK, image.join("root.squashfs"), true),
            disk(CONFIG_DISK, state.join("config.raw"), true),
            disk(DATA_DISK, state.join("data.raw"), false),
        ],
        shares: vec![Share {
            tag: "share0".into(),
            path: share.into(),
            read_only: false,
        }],
        console_log: state.join("vm.log"),
        runtime_dir: state.into(),
    })
}

async fn run(opener: &Opener, argv: Vec<String>) -> Result<i32, Box<dyn Error>> {
    let request = ExecRequest {
        argv,
        env: Vec::new(),
        cwd: None,
        tty: None,
    };
    let (mut stream, _) = opener.open(&StreamHeader::Exec(request)).await?;
    exec::write(&mut stream, &ExecFrame::Stdin(Vec::new())).await?;
    while let Some(frame) = exec::read(&mut stream).await? {
        match frame {
            ExecFrame::Stdout(bytes) => io::Write::write_all(&mut io::stdout(), &bytes)?,
            ExecFrame::Stderr(bytes) => io::Write::write_all(&mut io::stderr(), &bytes)?,
            ExecFrame::Exit(code) => return Ok(code),
            ExecFrame::Stdin(_) | ExecFrame::Resize(_) => {}
        }
    }
    Err("the guest ended the command's stream".into())
}
