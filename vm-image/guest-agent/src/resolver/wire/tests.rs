use simple_dns::Question;

use super::*;

fn query(name: &str, wanted: TYPE, size: Option<u16>) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).unwrap();
    let class = QCLASS::CLASS(CLASS::IN);
    packet
        .questions
        .push(Question::new(name, QTYPE::TYPE(wanted), class, false));
    if let Some(udp_packet_size) = size {
        *packet.opt_mut() = Some(OPT {
            opt_codes: vec![],
            udp_packet_size,
            version: 0,
        });
    }
    packet.build_bytes_vec().unwrap()
}

fn many() -> Vec<IpAddr> {
    (1..=60).map(|last| [10, 0, 0, last].into()).collect()
}

#[test]
fn a_query_is_read_and_answered_in_its_own_form() {
    let bytes = query("Web.Test", TYPE::A, None);
    let query = Query::parse(&bytes).unwrap();
    assert_eq!(
        (query.name.as_str(), query.wanted),
        ("web.test", Wanted::V4)
    );
    let both = [[10, 0, 0, 1].into(), "fd00::1".parse().unwrap()];
    let bytes = query.with_addresses(&both, Over::Udp);
    let reply = Packet::parse(&bytes).unwrap();
    assert_eq!((reply.id(), reply.rcode()), (0x1234, RCODE::NoError));
    assert!(reply.has_flags(
        PacketFlag::RESPONSE | PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE
    ));
    // The case of a name is the client's nonce.
    assert_eq!(reply.answers[0].name.to_string(), "Web.Test");
    assert_eq!(reply.answers.len(), 1);
    assert!(reply.opt().is_none());
    assert!(says_something(&bytes));
    assert!(!says_something(&query.not_found(Over::Udp)));
    assert!(!says_something(&query.with_addresses(&[], Over::Udp)));
}

#[test]
fn an_answer_never_exceeds_what_its_client_takes() {
    for (size, limit) in [(None, 512), (Some(100), 512), (Some(4096), 1232)] {
        let bytes = query("web.test", TYPE::A, size);
        let query = Query::parse(&bytes).unwrap();
        let reply = query.with_addresses(&many(), Over::Udp);
        assert!(reply.len() <= limit, "{} bytes for {size:?}", reply.len());
        let reply = Packet::parse(&reply).unwrap();
        assert_eq!(
            reply.has_flags(PacketFlag::TRUNCATION),
            reply.answers.is_empty()
        );
        assert_eq!(reply.opt().is_some(), size.is_some());
        let whole = query.with_addresses(&many(), Over::Tcp);
        assert_eq!(Packet::parse(&whole).unwrap().answers.len(), 60);
    }
}

#[test]
fn other_forms_are_left_to_others() {
    let good = query("web.test", TYPE::A, None);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    assert!(Query::parse(&good).is_some());
    // A reply, another operation, two questions, answers, 65,000 records, another class.
    let last = good.len() - 1;
    for bytes in [
        changed(2, 0x81),
        changed(2, 0x28),
        changed(5, 2),
        changed(7, 1),
        changed(10, 0xff),
        changed(last, 3),
    ] {
        assert!(Query::parse(&bytes).is_none(), "{bytes:?}");
    }
    assert!(!is_query(&changed(2, 0x81)));
    for length in 0..good.len() {
        assert!(Query::parse(&good[..length]).is_none());
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let good = query("web.test", TYPE::A, Some(1232));
    for at in 0..good.len() {
        for value in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Some(query) = Query::parse(&bytes) {
                query.with_addresses(&many(), Over::Udp);
                query.with_name("a name\0", Over::Udp);
            }
        }
    }
}
