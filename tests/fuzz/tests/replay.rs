//! Everything that fuzzers once found, and what a decoder meets on a good day.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use coracle_fuzz::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn each_target_has_a_corpus_and_a_fuzzer() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(names(&corpora()), targets);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let programs: BTreeSet<String> = names(&programs)
        .iter()
        .map(|name| name.trim_end_matches(".rs").into())
        .collect();
    assert_eq!(programs, targets);
}

/// Each alone, and with its end cut off at every place.
#[test]
fn every_input_is_survived_by_every_target() {
    let mut inputs = 0;
    for (owner, _) in TARGETS {
        let folder = corpora().join(owner);
        for name in names(&folder) {
            inputs += 1;
            let data = fs::read(folder.join(&name)).unwrap();
            for (target, run) in TARGETS {
                eprintln!("{owner}/{name} through {target}");
                run(&data);
                if target == owner && data.len() <= 4096 {
                    (0..data.len()).for_each(|end| run(&data[..end]));
                }
            }
        }
    }
    assert!(inputs >= TARGETS.len());
}
