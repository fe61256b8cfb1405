//! What `harness/programs/go-tests` has measured, and the page that shows it.

use std::collections::BTreeMap;

use heapmatrix_emu::machine::Machine;
use serde::Deserialize;

/// How many of the tests of a package pass under `exec`, of those that pass natively.
#[derive(Deserialize)]
struct Found {
    passed: u32,
    of: u32,
    /// The others, with what they said.
    lost: BTreeMap<String, String>,
}

/// By release, package and machine.
type Results = BTreeMap<String, BTreeMap<String, BTreeMap<String, Found>>>;

fn results() -> Results {
    serde_json::from_str(include_str!("../programs/go-tests.json")).unwrap()
}

const PAGE: &str = include_str!("../programs/go-tests.md");

fn number(value: u32) -> String {
    if value < 1000 { value.to_string() } else { format!("{},{:03}", value / 1000, value % 1000) }
}

#[test]
fn the_page_shows_what_was_measured_and_why_tests_differ() {
    for (release, packages) in results() {
        let section = PAGE.split("\n## ").find(|section| section.starts_with(&format!("{release}\n")));
        let section = section.unwrap_or_else(|| panic!("no section for {release}"));
        for (package, machines) in packages {
            let cells = Machine::ALL.iter().map(|target| match machines.get(target.goarch()) {
                Some(found) => format!("{} of {}", number(found.passed), number(found.of)),
                None => String::new(),
            });
            let row = format!("| {package} | {} |", cells.collect::<Vec<_>>().join(" | "));
            assert!(section.contains(&row), "{release} lacks {row}");
        }
    }
    assert!(!PAGE.contains("Unknown"), "a difference has no cause");
}

#[test]
fn nearly_all_tests_of_the_file_system_pass_everywhere() {
    let results = results();
    for &target in Machine::ALL {
        let on = |packages: &BTreeMap<String, BTreeMap<String, Found>>| {
            let os = packages["os"].get(target.goarch())?;
            assert_eq!(os.passed as usize + os.lost.len(), os.of as usize, "{target}");
            Some(os.passed as f64 / f64::from(os.of))
        };
        let shares: Vec<f64> = results.values().filter_map(on).collect();
        assert!(!shares.is_empty(), "{target} was not measured");
        assert!(shares.iter().all(|&share| share >= 0.95), "{target}: {shares:?}");
    }
}
