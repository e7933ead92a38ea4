//! DNS messages: what is asked, and answers in the same form.

use std::net::IpAddr;

use simple_dns::rdata::{A, AAAA, OPT, PTR, RData};
use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE,
};

/// How long an answer may be kept, in seconds: the host's network may change.
pub(super) const TTL: u32 = 5;

/// The least that every client takes in a datagram, in bytes.
const DATAGRAM: usize = 512;

/// What we take in a datagram, in bytes.
const OUR_DATAGRAM: u16 = 1232;

/// A message's first part.
const HEADER: usize = 12;

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// In a datagram, whose size the query bounds.
    Udp,
    /// On a stream.
    Tcp,
}

/// What a query wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    V4,
    V6,
    Pointer,
    Other,
}

/// A query of the usual form: one question of the internet's class.
pub(super) struct Query<'a> {
    packet: Packet<'a>,
    pub(super) wanted: Wanted,
    /// The name without the last dot, in lower case.
    pub(super) name: String,
}

/// Whether it could be a query at all.
pub(super) fn is_query(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER && bytes[2] & 0x80 == 0
}

/// The identity that an answer shares with its query.
pub(super) fn id(bytes: &[u8]) -> Option<[u8; 2]> {
    bytes.get(..2)?.try_into().ok()
}

/// Whether it answers without an error and with something.
pub(super) fn says_something(reply: &[u8]) -> bool {
    reply.len() >= HEADER && reply[3] & 0x0f == 0 && reply[6..8] != [0, 0]
}

impl<'a> Query<'a> {
    /// Reads it; `None` when it is of another form, which others may understand.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        // Before memory is taken for what the counts promise.
        let count = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        if !is_query(bytes) || [count(4)?, count(6)?, count(8)?] != [1, 0, 0] || count(10)? > 2 {
            return None;
        }
        let packet = Packet::parse(bytes).ok()?;
        let [question] = &packet.questions[..] else {
            return None;
        };
        if packet.opcode() != OPCODE::StandardQuery || question.qclass != QCLASS::CLASS(CLASS::IN) {
            return None;
        }
        let wanted = match question.qtype {
            QTYPE::TYPE(TYPE::A) => Wanted::V4,
            QTYPE::TYPE(TYPE::AAAA) => Wanted::V6,
            QTYPE::TYPE(TYPE::PTR) => Wanted::Pointer,
            _ => Wanted::Other,
        };
        let labels: Option<Vec<&str>> = question
            .qname
            .as_bytes()
            .map(|label| std::str::from_utf8(label).ok())
            .collect();
        let name = labels?.join(".").to_ascii_lowercase();
        Some(Self {
            packet,
            wanted,
            name,
        })
    }

    /// Those of the addresses that are wanted; none of them is an answer too.
    pub(super) fn with_addresses(&self, addresses: &[IpAddr], over: Over) -> Vec<u8> {
        let records = addresses
            .iter()
            .filter_map(|address| match (self.wanted, address) {
                (Wanted::V4, IpAddr::V4(address)) => Some(RData::A(A::from(*address))),
                (Wanted::V6, IpAddr::V6(address)) => Some(RData::AAAA(AAAA::from(*address))),
                _ => None,
            });
        self.reply(RCODE::NoError, records.collect(), over)
    }

    /// The name of an address; an empty answer when it cannot be written as one.
    pub(super) fn with_name(&self, name: &str, over: Over) -> Vec<u8> {
        let records = Name::new(name).map(|name| RData::PTR(PTR(name)));
        self.reply(RCODE::NoError, records.into_iter().collect(), over)
    }

    /// No such name.
    pub(super) fn not_found(&self, over: Over) -> Vec<u8> {
        self.reply(RCODE::NameError, vec![], over)
    }

    /// Nobody could say.
    pub(super) fn failed(&self, over: Over) -> Vec<u8> {
        self.reply(RCODE::ServerFailure, vec![], over)
    }

    fn reply(&self, code: RCODE, records: Vec<RData<'_>>, over: Over) -> Vec<u8> {
        let theirs = self
            .packet
            .opt()
            .map(|opt| usize::from(opt.udp_packet_size));
        let limit = match over {
            Over::Udp => theirs
                .unwrap_or(DATAGRAM)
                .clamp(DATAGRAM, OUR_DATAGRAM.into()),
            Over::Tcp => usize::from(u16::MAX),
        };
        let whole = self.build(code, records, PacketFlag::empty());
        if whole.len() <= limit {
            whole
        } else {
            self.build(code, vec![], PacketFlag::TRUNCATION)
        }
    }

    fn build(&self, code: RCODE, records: Vec<RData<'_>>, flags: PacketFlag) -> Vec<u8> {
        let question = &self.packet.questions[0];
        let mut reply = Packet::new_reply(self.packet.id());
        reply.set_flags(flags | PacketFlag::RECURSION_AVAILABLE);
        if self.packet.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        *reply.rcode_mut() = code;
        reply.questions.push(question.clone());
        reply.answers = records
            .into_iter()
            .map(|record| ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, record))
            .collect();
        if self.packet.opt().is_some() {
            *reply.opt_mut() = Some(OPT {
                opt_codes: vec![],
                udp_packet_size: OUR_DATAGRAM,
                version: 0,
            });
        }
        // Every part of it has been read from a message or checked, so that it can be written.
        reply.build_bytes_vec_compressed().unwrap_or_default()
    }
}

// By its path, as `tests/fuzz` takes this file in by its own.
#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
