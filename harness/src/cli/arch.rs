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
    use super::*;

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

    /// The table of machines that the README shows.
    fn table() -> String {
        let real = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/real");
        let files = std::fs::read_dir(real).unwrap().map(|entry| entry.unwrap().file_name());
        let files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
        let mut table = String::from(
            "| machine | pointers | byte order | worlds | real dumps read |\n|---|---|---|---|---|\n",
        );
        for &target in Machine::ALL {
            let order = if target.big_endian() { "big-endian" } else { "little-endian" };
            let worlds = if World::MACHINES.contains(&target) { "yes" } else { "" };
            let real = files.iter().filter(|name| name.ends_with(&format!("-{target}.dump.zst"))).count();
            let bytes = target.ptr_size();
            table += &format!("| {target} | {bytes} bytes | {order} | {worlds} | {real} |\n");
        }
        table
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
