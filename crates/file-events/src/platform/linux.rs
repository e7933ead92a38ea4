//! inotify itself, on a thread of its own: the guest is to see exactly its events, and a
//! portable watcher has lost some of them (`docs/adr/0007-file-events.md`).

mod tree;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{InitFlags, Inotify};
use tokio::sync::{oneshot, watch};

use crate::Problems;
use crate::ignored::Ignored;
use crate::queue::Queue;
use crate::roots::Root;
use tree::Tree;

/// How long the second half of a rename may lag behind the first, in milliseconds. The kernel
/// queues one right after the other, but they may be read apart.
const SECOND_HALF: u16 = 2;

/// A thread that watches. Ends when it is dropped.
pub(crate) struct Watcher {
    orders: mpsc::Sender<Order>,
    bell: Arc<EventFd>,
}

struct Order {
    roots: Vec<Root>,
    lost: bool,
    done: oneshot::Sender<()>,
}

impl Watcher {
    /// Watches nothing yet. An error's text is the end of a sentence.
    pub(crate) fn start(
        queue: Arc<Queue>,
        problems: Arc<watch::Sender<Problems>>,
        ignored: Ignored,
    ) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(|error| io::Error::other(no_inotify(error)))?;
        let bell = Arc::new(EventFd::from_flags(
            EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC,
        )?);
        let (orders, taken) = mpsc::channel();
        let own = bell.clone();
        thread::Builder::new()
            .name("file-events".into())
            .spawn(move || {
                let mut tree = Tree::new(inotify, queue, problems, ignored);
                if let Err(error) = run(&mut tree, &own, &taken) {
                    tracing::error!(%error, "the watcher of file events ended");
                    tree.complain(format!(
                        "Edits on the host no longer reach watching programs in containers ({error}): \
                         `coracle restart` begins anew."
                    ));
                }
            })?;
        Ok(Self { orders, bell })
    }

    /// Watches these instead of those before, from when it returns. With `lost`, whoever watches
    /// in the guest is told that there may have been changes before.
    pub(crate) async fn watch(&self, roots: Vec<Root>, lost: bool) {
        let (done, finished) = oneshot::channel();
        if self.orders.send(Order { roots, lost, done }).is_ok() {
            self.ring();
            // An error means that the thread has ended, and said why.
            let _ = finished.await;
        }
    }

    fn ring(&self) {
        if let Err(error) = self.bell.write(1) {
            tracing::error!(%error, "the watcher of file events does not hear");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The channel is closed before the bell rings.
        self.orders = mpsc::channel().0;
        self.ring();
    }
}

fn run(tree: &mut Tree, bell: &EventFd, orders: &mpsc::Receiver<Order>) -> nix::Result<()> {
    loop {
        let patience = match tree.waits() {
            true => PollTimeout::from(SECOND_HALF),
            false => PollTimeout::NONE,
        };
        let mut files = [
            PollFd::new(tree.inotify().as_fd(), PollFlags::POLLIN),
            PollFd::new(bell.as_fd(), PollFlags::POLLIN),
        ];
        let ready = match poll(&mut files, patience) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        if ready == 0 {
            tree.give_up_waiting();
            continue;
        }
        tree.read()?;
        match bell.read() {
            Ok(_) | Err(Errno::EAGAIN) => {}
            Err(error) => return Err(error),
        }
        loop {
            match orders.try_recv() {
                Ok(order) => {
                    tree.watch(order.roots, order.lost);
                    // Who asked may have gone.
                    let _ = order.done.send(());
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }
}

fn no_inotify(error: Errno) -> String {
    match error {
        Errno::EMFILE => "the limit of inotify instances is reached: raise it with \
                          `sudo sysctl fs.inotify.max_user_instances=512`, then `coracle restart`"
            .into(),
        other => format!("inotify does not work here ({other})"),
    }
}
