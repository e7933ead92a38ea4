use coracle_daemon_api::{Reclaimed, Taken};

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;
use crate::sizes::human;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  docker system prune --volumes\n  coracle reclaim")]
pub(crate) struct Args {}

pub(crate) async fn run(_: &Args, session: &Session) -> Result<u8, Failure> {
    launch::hello(&session.client).await?;
    let output = session.output;
    output.note("The VM gives back what it can do without; that takes some seconds");
    let reclaimed = session.client.reclaim().await?;
    match output.json {
        true => output.json_document(&reclaimed)?,
        false => output.line(&text(&reclaimed))?,
    }
    Ok(0)
}

fn text(Reclaimed { memory, disk }: &Reclaimed) -> String {
    let line = |taken: &Taken| {
        format!(
            "{} came back, the VM takes {} now",
            human(taken.came_back()),
            human(taken.after_bytes)
        )
    };
    format!("Memory     {}\nData disk  {}", line(memory), line(disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_back_is_told_and_growth_is_nothing() {
        let taken = |before_bytes, after_bytes| Taken {
            before_bytes,
            after_bytes,
        };
        let reclaimed = Reclaimed {
            memory: taken(3 << 30, 1 << 30),
            disk: taken(5 << 20, 6 << 20),
        };
        assert_eq!(
            text(&reclaimed),
            "Memory     2 GiB came back, the VM takes 1 GiB now\n\
             Data disk  0 B came back, the VM takes 6 MiB now"
        );
    }
}
