use super::*;

fn place(dir: &str, name: &str) -> Place {
    Place {
        dir: dir.into(),
        name: name.into(),
    }
}

fn every_kind() -> Batch {
    use FileEventKind::*;
    let named = [
        Create, Modify, CloseWrite, Attrib, Delete, MovedFrom, MovedTo,
    ];
    let mut events: Vec<_> = named
        .into_iter()
        .chain([Moved(place("", "sp ace")), Moved(place("a/b", "ü"))])
        .map(|kind| FileEvent::new(kind, place("src/deep", "main.rs")))
        .collect();
    for kind in [Attrib, DeleteSelf, MoveSelf] {
        events.push(FileEvent {
            is_dir: true,
            ..FileEvent::new(kind, place("src", ""))
        });
    }
    events.push(FileEvent {
        linked: true,
        ..FileEvent::new(Create, place("", "link"))
    });
    events.push(FileEvent::new(Overflow, Place::default()));
    Batch {
        sequence: 1 << 40,
        share: "/home/me".into(),
        events,
    }
}

#[tokio::test]
async fn every_kind_survives_the_way() {
    let (mut a, mut b) = tokio::io::duplex(1 << 20);
    let batch = every_kind();
    write(&mut a, &batch).await.unwrap();
    let echoes = vec![0b100, 1];
    let outcomes = [Outcome::InPart, Outcome::Whole { echoes }, Outcome::Not];
    for outcome in &outcomes {
        write_ack(&mut a, 7, outcome).await.unwrap();
    }
    drop(a);
    assert_eq!(read(&mut b).await.unwrap(), Some(batch.clone()));
    for outcome in outcomes {
        assert_eq!(read_ack(&mut b).await.unwrap(), Some((7, outcome)));
    }
    assert_eq!(read(&mut b).await.unwrap(), None);
    let length: usize = batch.events.iter().map(FileEvent::encoded_len).sum();
    assert_eq!(encode_records(&batch.events).len(), length);
}

#[test]
fn whatever_is_cut_off_is_refused() {
    let bytes = every_kind().encode();
    for end in 0..bytes.len() {
        assert!(Batch::decode(&bytes[..end]).is_err(), "{end} bytes");
    }
    assert!(Batch::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    use FileEventKind::{Create, Modify, Moved};
    for (kind, dir, name) in [
        (Create, "..", "a"),
        (Create, "a/../b", "a"),
        (Create, "/etc", "a"),
        (Create, "a/", "a"),
        (Create, "a//b", "a"),
        (Create, "a", ".."),
        (Create, "a", "b/c"),
        (Create, "a", ""),
        (Create, "a", "b\0c"),
        (Modify, "a", "."),
        (Moved(place("..", "x")), "a", "b"),
    ] {
        let batch = Batch {
            sequence: 1,
            share: "/s".into(),
            events: vec![FileEvent::new(kind, place(dir, name))],
        };
        assert!(Batch::decode(&batch.encode()).is_err(), "{dir:?} {name:?}");
    }
}

#[test]
fn echoes_are_told_by_their_bits() {
    let outcome = Outcome::Whole {
        echoes: vec![0b100, 1],
    };
    let told: Vec<_> = (0..40).filter(|event| outcome.is_echo(*event)).collect();
    assert_eq!(told, [2, 8]);
    assert!(!Outcome::InPart.is_echo(0));
}
