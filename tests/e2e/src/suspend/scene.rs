//! A guest full of things that a reboot would end.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, http};

use crate::images;

/// Tells its time, in nanoseconds, to whoever connects.
const CLOCK: &str = "import socket, time
s = socket.socket()
s.bind(('', 7))
s.listen()
while True:
    c = s.accept()[0]
    c.sendall(str(time.time_ns()).encode())
    c.close()";

/// Takes one connection, and writes down what it hears; like the other end it never ends its own half.
const EAR: &str = "mkfifo /f; exec 3<>/f; nc -l -p 9000 <&3 >/heard";

/// Holds one connection, through which it says what comes into its fifo.
const MOUTH: &str = "mkfifo /f; exec 3<>/f; until nc ear 9000 <&3; do sleep 1; done";

/// Holds one session with the database, for what comes into its fifo.
const SESSION: &str = "mkfifo /tmp/in; exec 3<>/tmp/in; psql -U postgres <&3 >/tmp/out 2>&1";

const NETWORK: &str = "suspend-net";
const SERVICE: &str = "suspend-page";
const SERVICE_PORT: u16 = 18_473;

pub(super) struct Scene<'a> {
    coracle: &'a Coracle,
    folder: PathBuf,
    clock: String,
    spoken: Vec<String>,
}

impl<'a> Scene<'a> {
    pub(super) fn set(coracle: &'a Coracle) -> Result<Self> {
        let busybox = images::busybox(coracle)?;
        let python = images::voting_app(coracle)?;
        let run = |args: &[&str]| coracle.background(args.iter().copied());
        let count = "i=0; while :; do i=$((i+1)); echo $i >/next; mv /next /count; sleep 0.1; done";
        run(&["--name", "counter", busybox, "sh", "-c", count])?;
        run(&[
            "--name",
            "clock",
            "--publish",
            "127.0.0.1::7",
            python,
            "python3",
            "-c",
            CLOCK,
        ])?;
        let clock = coracle.docker(["port", "clock", "7"]).text()?;

        // Left over by a test that failed, maybe.
        let _ = coracle.docker(["network", "rm", NETWORK]).run()?;
        coracle.docker(["network", "create", NETWORK]).ok()?;
        run(&[
            "--name",
            "ear",
            "--network",
            NETWORK,
            busybox,
            "sh",
            "-c",
            EAR,
        ])?;
        run(&[
            "--name",
            "mouth",
            "--network",
            NETWORK,
            busybox,
            "sh",
            "-c",
            MOUTH,
        ])?;

        let folder = coracle.work("suspend")?;
        fs::write(folder.join("log"), "first\n")?;
        fs::write(folder.join("replaced"), "old")?;
        fs::write(folder.join("deleted"), "here")?;
        let mount = format!("{}:/work", folder.display());
        let read = "exec 4</work/deleted; exec tail -n +1 -f /work/log";
        run(&[
            "--name", "reader", "--volume", &mount, busybox, "sh", "-c", read,
        ])?;

        let password = "POSTGRES_PASSWORD=of-a-test";
        run(&["--name", "db", "--env", password, "coracle-sample/postgres"])?;
        let scene = Self {
            coracle,
            folder,
            clock,
            spoken: Vec::new(),
        };
        scene.serve()?;
        scene.begin()?;
        Ok(scene)
    }

    /// A swarm service with a published port.
    fn serve(&self) -> Result<()> {
        let docker = |args: &[&str]| self.coracle.docker(args.iter().copied());
        let state = docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]).text()?;
        if state != "active" {
            docker(&["swarm", "init"]).ok()?;
        }
        let _ = docker(&["service", "rm", SERVICE]).run()?;
        let published = format!("{SERVICE_PORT}:80");
        docker(&[
            "service",
            "create",
            "--quiet",
            "--no-resolve-image",
            "--name",
            SERVICE,
        ])
        .args(["--publish", &published, "--stop-signal", "KILL"])
        .args([images::BUSYBOX, "httpd", "-f", "-p", "80", "-h", "/etc"])
        .ok()?;
        self.service_answers()
    }

    /// A transaction that has written and not committed.
    fn begin(&self) -> Result<()> {
        eventually("a database", || {
            self.in_db("psql -U postgres -c 'CREATE TABLE IF NOT EXISTS t (word text)'")
        })?;
        let session = ["exec", "--detach", "db", "sh", "-c", SESSION];
        self.coracle.docker(session).ok()?;
        eventually("a session", || self.in_db("[ -p /tmp/in ]"))?;
        self.in_db("echo \"BEGIN; INSERT INTO t VALUES ('kept');\" >/tmp/in")?;
        eventually("an open transaction", || {
            self.in_db("grep -q 'INSERT 0 1' /tmp/out")
        })?;
        ensure!(self.words()? == "0", "it is committed already");
        Ok(())
    }

    /// Commits what was begun before everything.
    pub(super) fn commit(&self) -> Result<()> {
        self.in_db("echo 'COMMIT;' >/tmp/in")?;
        eventually("the committed word", || {
            let words = self.words()?;
            ensure!(words == "1", "{words} words");
            Ok(())
        })
    }

    fn words(&self) -> Result<String> {
        let select = "psql -U postgres -At -c 'SELECT count(*) FROM t'";
        self.coracle
            .docker(["exec", "db", "sh", "-c", select])
            .text()
    }

    fn in_db(&self, script: &str) -> Result<()> {
        self.coracle
            .docker(["exec", "db", "sh", "-c", script])
            .ok()
            .map(drop)
    }

    pub(super) fn count(&self) -> Result<u64> {
        Ok(self
            .coracle
            .docker(["exec", "counter", "cat", "/count"])
            .text()?
            .parse()?)
    }

    /// Says something through the connection that there is since the beginning.
    pub(super) fn speak(&mut self, word: &str) -> Result<()> {
        self.spoken.push(word.to_owned());
        let say = format!("echo {word} >/f");
        self.coracle
            .docker(["exec", "mouth", "sh", "-c", &say])
            .ok()?;
        let spoken = self.spoken.join("\n");
        eventually("the words at the other end", || {
            let heard = self
                .coracle
                .docker(["exec", "ear", "cat", "/heard"])
                .text()?;
            ensure!(heard == spoken, "heard {heard:?}");
            Ok(())
        })
    }

    /// Changes the shared folder on the host, also under the guest's open files.
    pub(super) fn change_folder(&self, word: &str) -> Result<()> {
        use std::io::Write;
        let log = self.folder.join("log");
        writeln!(fs::OpenOptions::new().append(true).open(log)?, "{word}")?;
        fs::write(self.folder.join("new"), word)?;
        fs::rename(self.folder.join("new"), self.folder.join("replaced"))?;
        // Open in the container.
        let deleted = self.folder.join("deleted");
        if deleted.exists() {
            fs::remove_file(deleted)?;
        }
        Ok(())
    }

    pub(super) fn folder_is_seen(&self, word: &str) -> Result<()> {
        self.coracle.await_log("reader", word)?;
        eventually("the replaced file", || {
            let read = ["exec", "reader", "cat", "/work/replaced"];
            let found = self.coracle.docker(read).text()?;
            ensure!(found == word, "{found}");
            Ok(())
        })?;
        let gone = ["exec", "reader", "ls", "/work/deleted"];
        self.coracle.docker(gone).refused()?;
        let write = ["exec", "reader", "sh", "-c", "echo guest >/work/back"];
        self.coracle.docker(write).ok()?;
        ensure!(fs::read_to_string(self.folder.join("back"))? == "guest\n");
        Ok(())
    }

    pub(super) fn service_answers(&self) -> Result<()> {
        let address = format!("127.0.0.1:{SERVICE_PORT}");
        eventually("a page of the service", || {
            let page = http::get(&address, "/hostname")?;
            ensure!(page.status == 200, "{page:?}");
            Ok(())
        })
    }

    /// How far a container's clock is from the host's, which is shifted by `offset_s` seconds: what
    /// is certain of it, by the quickest of some questions.
    pub(super) fn clock_is_off_by(&self, offset_s: i64) -> Result<Duration> {
        let mut best: Option<(i128, i128)> = None;
        for _ in 0..20 {
            let before = now_ns() + i128::from(offset_s) * 1_000_000_000;
            let mut told = String::new();
            TcpStream::connect(&self.clock)
                .with_context(|| format!("the clock at {}", self.clock))?
                .read_to_string(&mut told)?;
            let after = now_ns() + i128::from(offset_s) * 1_000_000_000;
            let told: i128 = told.parse().with_context(|| format!("told {told:?}"))?;
            let off = (before - told).max(told - after).max(0);
            if best.is_none_or(|(took, _)| after - before < took) {
                best = Some((after - before, off));
            }
        }
        let (_, off) = best.context("it was never asked")?;
        Ok(Duration::from_nanos(u64::try_from(off)?))
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // The swarm would start its container again.
        let _ = self.coracle.docker(["service", "rm", SERVICE]).run();
        let _ = self.coracle.remove_containers();
        let _ = self.coracle.docker(["network", "rm", NETWORK]).run();
    }
}

fn now_ns() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i128)
}
