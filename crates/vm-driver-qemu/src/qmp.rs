//! A client of QEMU's machine protocol: as much of it as the driver needs.

mod message;

use std::collections::HashMap;
use std::time::Duration;

use coracle_vm_driver::DriverError;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::codec::{Framed, LinesCodec};

use crate::host::cause;
use message::Message;
pub(crate) use message::{Event, Shutdown, decode};

/// An answer is much shorter; a longer line is not taken into memory.
const LONGEST_LINE: usize = 1 << 20;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Sends commands. Cloning it gives another handle to the same QEMU.
#[derive(Clone)]
pub(crate) struct Qmp {
    commands: mpsc::Sender<Command>,
}

struct Command {
    name: &'static str,
    arguments: Value,
    answer: oneshot::Sender<Result<Value, String>>,
}

type Lines = Framed<UnixStream, LinesCodec>;

impl Qmp {
    /// Waits without bound for the greeting; the events end when QEMU does.
    pub(crate) async fn connect(
        stream: UnixStream,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Event>), DriverError> {
        let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE));
        let greeting = lines.next().await.and_then(Result::ok).unwrap_or_default();
        if !matches!(decode(&greeting), Ok(Message::Greeting)) {
            return Err(DriverError::Start("QEMU did not greet on QMP".into()));
        }
        let (commands, requests) = mpsc::channel(8);
        // Few kinds of event are passed on, and QEMU limits their rate.
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(serve(lines, requests, sender));
        let qmp = Self { commands };
        qmp.execute("qmp_capabilities").await?;
        Ok((qmp, events))
    }

    /// Executes a command without arguments.
    pub(crate) async fn execute(&self, name: &'static str) -> Result<Value, DriverError> {
        self.execute_with(name, json!({})).await
    }

    /// Executes a command; `arguments` is an object.
    pub(crate) async fn execute_with(
        &self,
        name: &'static str,
        arguments: Value,
    ) -> Result<Value, DriverError> {
        self.execute_within(name, arguments, ANSWER_WITHIN).await
    }

    /// As [`execute_with`](Self::execute_with), for a command that takes longer.
    pub(crate) async fn execute_within(
        &self,
        name: &'static str,
        arguments: Value,
        bound: Duration,
    ) -> Result<Value, DriverError> {
        let gone = || DriverError::Io {
            context: format!("QEMU is gone before it answered {name}"),
            source: std::io::ErrorKind::BrokenPipe.into(),
        };
        let exchange = async {
            let (answer, answered) = oneshot::channel();
            let command = Command {
                name,
                arguments,
                answer,
            };
            self.commands.send(command).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())
        };
        let answer = timeout(bound, exchange).await;
        let answer = answer.map_err(|_| DriverError::Timeout {
            what: name,
            after: bound,
        })?;
        answer?.map_err(|why| DriverError::Io {
            context: format!("QEMU refused {name}"),
            source: cause(&why),
        })
    }

    /// Why the guest's CPUs are stopped: `internal-error`, `io-error`, `running` …
    pub(crate) async fn run_state(&self) -> Result<String, DriverError> {
        let status = self.execute("query-status").await?;
        Ok(status["status"].as_str().unwrap_or_default().to_owned())
    }
}

async fn serve(
    mut lines: Lines,
    mut requests: mpsc::Receiver<Command>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut waiting = HashMap::new();
    let mut next_id = 0_u64;
    // The events are wanted even when nobody sends commands any more.
    let mut open = true;
    loop {
        tokio::select! {
            request = requests.recv(), if open => match request {
                Some(Command { name, arguments, answer }) => {
                    next_id += 1;
                    waiting.insert(next_id, answer);
                    let command = json!({"execute": name, "arguments": arguments, "id": next_id});
                    let line = command.to_string();
                    if lines.send(line).await.is_err() {
                        return;
                    }
                }
                None => open = false,
            },
            line = lines.next() => {
                let Some(Ok(line)) = line else { return };
                match decode(&line) {
                    Ok(Message::Return { id, value }) => answer(&mut waiting, id, Ok(value)),
                    Ok(Message::Refused { id, why }) => answer(&mut waiting, id, Err(why)),
                    Ok(Message::Event(Event::Other) | Message::Greeting) => {}
                    Ok(Message::Event(event)) => drop(events.send(event)),
                    Err(error) => tracing::warn!(%error, "a line of QMP was not understood"),
                }
            }
        }
    }
}

fn answer(
    waiting: &mut HashMap<u64, oneshot::Sender<Result<Value, String>>>,
    id: u64,
    result: Result<Value, String>,
) {
    if let Some(answer) = waiting.remove(&id) {
        // Whoever asked may have given up.
        let _ = answer.send(result);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    use super::*;

    /// Answers each command with the next of the replies, in which `ID` is its number.
    async fn qemu(stream: UnixStream, replies: &[&str]) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"{\"QMP\": {}}\r\n").await.unwrap();
        for reply in replies {
            let line = lines.next_line().await.unwrap().unwrap();
            let request: Value = serde_json::from_str(&line).unwrap();
            let reply = reply.replace("ID", &request["id"].to_string());
            write.write_all(reply.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn commands_are_answered_and_events_passed_on() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let play = tokio::spawn(async move {
            qemu(
                theirs,
                &[
                    "{\"return\": {}, \"id\": ID}\r\n",
                    "{\"event\": \"RTC_CHANGE\"}\r\n{\"event\": \"STOP\"}\r\nnonsense\r\n\
                     {\"return\": {\"status\": \"internal-error\"}, \"id\": ID}\r\n",
                    "{\"error\": {\"desc\": \"not now\"}, \"id\": ID}\r\n",
                ],
            )
            .await;
        });
        let (qmp, mut events) = Qmp::connect(ours).await.unwrap();
        assert_eq!(qmp.run_state().await.unwrap(), "internal-error");
        assert_eq!(events.recv().await, Some(Event::Stop));
        let refused = qmp.execute("cont").await.unwrap_err();
        assert!(refused.to_string().contains("not now"), "{refused}");
        play.await.unwrap();
        assert_eq!(events.recv().await, None);
        assert!(qmp.execute("cont").await.is_err());
    }

    #[tokio::test]
    async fn an_end_instead_of_a_greeting_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(Qmp::connect(ours).await.is_err());
    }
}
