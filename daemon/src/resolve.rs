//! Names for the guest, by the host's own resolver: its `/etc/hosts`, its VPNs, its changes of
//! network count for containers as for programs of the host.

use std::net::IpAddr;
use std::time::Duration;

use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::resolve::{self, Lookup, Resolution};
use coracle_guest_api::{StreamReply, message};
use dns_lookup::LookupErrorKind;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a guest waits. The host's resolver may take longer, as when its network has just gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Each takes a thread, until the host's resolver returns and no less.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// Answers one lookup of the guest on its stream.
pub(crate) async fn serve(lookup: Lookup, mut stream: MuxStream) {
    let answering = async {
        message::write(&mut stream, &StreamReply::OK).await?;
        message::write(&mut stream, &answer(lookup).await).await?;
        Ok::<_, message::MessageError>(stream.shutdown().await?)
    };
    if let Err(error) = answering.await {
        tracing::debug!(%error, "the guest did not wait for a name");
    }
}

async fn answer(lookup: Lookup) -> Resolution {
    // What comes from the guest goes into the host's resolver: nothing but names does.
    if let Lookup::Name(name) = &lookup
        && !resolve::is_host_name(name)
    {
        return Resolution::NotFound;
    }
    let found = timeout(ANSWER_WITHIN, async {
        let permit = LOOKUPS.acquire().await.ok()?;
        let blocking = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            ask(&lookup)
        });
        blocking.await.ok()
    });
    found
        .await
        .ok()
        .flatten()
        .unwrap_or(Resolution::Unavailable)
}

/// Blocks for as long as the host's resolver likes.
fn ask(lookup: &Lookup) -> Resolution {
    let found = match lookup {
        Lookup::Name(name) => dns_lookup::lookup_host(name).map(|found| {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found {
                if addresses.len() < resolve::MAX_ADDRESSES && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            match addresses.is_empty() {
                true => Resolution::NotFound,
                false => Resolution::Addresses(addresses),
            }
        }),
        Lookup::Address(address) => dns_lookup::lookup_addr(address).map(Resolution::Name),
    };
    found.unwrap_or_else(|error| match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => Resolution::NotFound,
        _ => Resolution::Unavailable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_known_to_every_host_and_what_is_no_name_to_none() {
        let Resolution::Addresses(addresses) = answer(Lookup::Name("localhost".into())).await
        else {
            panic!("not found");
        };
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        for name in ["", "127.1", "a b", "0x7f000001"] {
            let answer = answer(Lookup::Name(name.into())).await;
            assert_eq!(answer, Resolution::NotFound, "{name}");
        }
        // By RFC 6761 it never exists; a host without a network cannot know.
        let answer = answer(Lookup::Name("no.invalid".into())).await;
        assert!(
            matches!(answer, Resolution::NotFound | Resolution::Unavailable),
            "{answer:?}"
        );
    }
}
