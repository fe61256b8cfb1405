//! Architectures on the command line: by name, and in groups.

use heapmatrix_emu::machine::Machine;
use heapmatrix_emu::world::World;
use heapmatrix_writer::AnyTarget;
use heapmatrix_writer::target::Names;

/// The machines that a word chooses: one, or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice(Vec<AnyTarget>);

/// A group: its name, and which machines are in it.
type Group = (&'static str, fn(AnyTarget) -> bool);

const GROUPS: [Group; 5] = [
    ("all", |_| true),
    ("64", |target| target.ptr_size() == 8),
    ("32", |target| target.ptr_size() == 4),
    ("big", AnyTarget::big_endian),
    ("little", |target| !target.big_endian()),
];

/// A machine that worlds can be built on.
pub(super) fn machine(name: &str) -> Result<AnyTarget, String> {
    let known = World::MACHINES.iter().copied().find(|target| target.goarch() == name);
    known.ok_or_else(|| format!("no worlds on this architecture: choose from {}", Names(World::MACHINES)))
}

/// A machine that worlds can be built on, or a group of them.
pub(super) fn choice(word: &str) -> Result<Choice, String> {
    choose(word, World::MACHINES, machine)
}

/// A machine that runs real programs, or a group of them.
pub(super) fn any_choice(word: &str) -> Result<Choice, String> {
    choose(word, Machine::ALL, |name| {
        let known = Machine::ALL.iter().copied().find(|target| target.goarch() == name);
        known.ok_or_else(|| format!("no such machine: choose from {}", Names(Machine::ALL)))
    })
}

fn choose(
    word: &str,
    machines: &[AnyTarget],
    machine: impl Fn(&str) -> Result<AnyTarget, String>,
) -> Result<Choice, String> {
    if let Some((_, has)) = GROUPS.iter().find(|(name, _)| *name == word) {
        return Ok(Choice(machines.iter().copied().filter(|&target| has(target)).collect()));
    }
    let groups = GROUPS.map(|(name, _)| name).join(", ");
    machine(word)
        .map(|target| Choice(vec![target]))
        .map_err(|error| format!("{error}, or a group of {groups}"))
}

/// The machines that are chosen, each once.
pub(super) fn chosen(choices: &[Choice]) -> Vec<AnyTarget> {
    let mut targets = Vec::new();
    for &target in choices.iter().flat_map(|Choice(targets)| targets) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::units::Count;

    fn names(words: &str) -> Vec<&'static str> {
        let choices: Vec<Choice> = words.split(',').map(|word| choice(word).unwrap()).collect();
        chosen(&choices).into_iter().map(AnyTarget::goarch).collect()
    }

    #[test]
    fn machines_are_chosen_by_name_and_in_groups() {
        assert_eq!(names("arm,ppc64,arm"), ["arm", "ppc64"]);
        assert_eq!(names("all").len(), World::MACHINES.len());
        for (group, other) in [("64", "32"), ("big", "little")] {
            let (group, other) = (names(group), names(other));
            assert!(!group.is_empty() && !other.is_empty());
            assert!(group.iter().all(|name| !other.contains(name)));
            assert_eq!(group.len() + other.len(), World::MACHINES.len());
        }
        assert_eq!(names("ppc64,big")[0], "ppc64", "in the order in which they are named");
    }

    /// What `programs/machines` has measured: for each machine the releases of Go that run, and the worlds that passed.
    #[derive(serde::Deserialize)]
    struct Measured {
        releases: Vec<String>,
        worlds: Option<u32>,
    }

    fn measured() -> BTreeMap<String, Measured> {
        serde_json::from_str(include_str!("../../programs/machines.json")).unwrap()
    }

    /// Releases of Go 1 as people say them: 1.5, 1.21–1.27.
    fn spans(releases: &[String]) -> String {
        let minor = |release: &String| release.split('.').nth(1).unwrap().parse::<u32>().unwrap();
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for minor in releases.iter().map(minor) {
            match spans.last_mut() {
                Some((_, last)) if *last + 1 == minor => *last = minor,
                _ => spans.push((minor, minor)),
            }
        }
        let span = |&(first, last): &(u32, u32)| match last - first {
            0 => format!("1.{first}"),
            _ => format!("1.{first}–1.{last}"),
        };
        spans.iter().map(span).collect::<Vec<_>>().join(", ")
    }

    /// The table of machines that the README shows.
    fn table() -> String {
        let real = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/real");
        let files = std::fs::read_dir(real).unwrap().map(|entry| entry.unwrap().file_name());
        let files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
        let measured = measured();
        let mut table = String::from(
            "| machine | pointers | byte order | Go releases run | worlds passed | real dumps read |\n|---|---|---|---|---|---|\n",
        );
        for &target in Machine::ALL {
            let order = if target.big_endian() { "big-endian" } else { "little-endian" };
            let Measured { releases, worlds } = &measured[target.goarch()];
            let worlds = worlds.map_or(String::new(), |worlds| Count(worlds.into()).to_string());
            let real = files.iter().filter(|name| name.ends_with(&format!("-{target}.dump.zst"))).count();
            let (bytes, releases) = (target.ptr_size(), spans(releases));
            table += &format!("| {target} | {bytes} bytes | {order} | {releases} | {worlds} | {real} |\n");
        }
        table
    }

    #[test]
    fn worlds_were_measured_where_there_are_any_and_releases_everywhere() {
        let measured = measured();
        for &target in Machine::ALL {
            let Measured { releases, worlds } = &measured[target.goarch()];
            assert!(releases.iter().any(|release| release.starts_with("1.27.")), "{target}");
            assert_eq!(worlds.is_some(), World::MACHINES.contains(&target), "{target}");
        }
        assert_eq!(measured.len(), Machine::ALL.len(), "a machine that there is not");
    }

    #[test]
    fn releases_are_told_in_spans() {
        let spans = |minors: &[u32]| spans(&minors.iter().map(|n| format!("1.{n}.9")).collect::<Vec<_>>());
        assert_eq!(spans(&[5, 19, 21, 22, 23, 26]), "1.5, 1.19, 1.21–1.23, 1.26");
        assert_eq!(spans(&[]), "");
    }

    #[test]
    fn the_readme_shows_the_machines() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&format!("\n{}\n", table())), "the README lacks\n{}", table());
    }

    #[test]
    fn what_is_no_machine_gets_a_list_of_them() {
        let error = choice("sparc").unwrap_err();
        assert!(
            error.starts_with("no worlds on this architecture: choose from amd64, 386, arm, "),
            "{error}"
        );
        assert!(error.ends_with(", or a group of all, 64, 32, big, little"), "{error}");
    }
}
