//! A log file without its daemon.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

/// Between two looks at a file that is followed.
const LOOK: Duration = Duration::from_millis(300);

/// Gives the file to `each` piece by piece until it returns false. With `follow` it goes on with what is
/// added, also when the file is cut or replaced by a fresh one.
pub(super) async fn read(
    path: &Path,
    follow: bool,
    mut each: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    let mut position = 0;
    loop {
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            position += length as u64;
            if !each(&buffer[..length]) {
                return Ok(());
            }
        }
        if !follow {
            return Ok(());
        }
        sleep(LOOK).await;
        match std::fs::metadata(path) {
            Ok(now) if now.len() < position => {
                file = File::open(path)?;
                position = file.seek(SeekFrom::Start(0))?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}
