//! A service with a planted leak: the reports name it.

#[allow(dead_code)] // Other tests use more of it.
mod common;

use heapmatrix_analysis::diff::Diff;
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::Typed;
use heapmatrix_analysis::paths::Paths;
use heapmatrix_analysis::top::top;
use heapmatrix_analysis::types::{Binary, Typing};
use heapmatrix_reader::{Dump, Index};

#[test]
fn what_leaks_is_named_first() {
    common::each_service(2000, &[], |service| {
        let name = &service.name;
        let binary = Binary::open(&service.program).unwrap();
        let [before, after] =
            [&service.before, &service.after].map(|dump| Index::new(Dump::new(dump).unwrap()).unwrap());
        let typing = [&before, &after].map(|index| Typing::new(index, Some(&binary)).unwrap());
        let old = Typed { index: &before, typing: &typing[0], binary: Some(&binary) };
        let new = Typed { index: &after, typing: &typing[1], binary: Some(&binary) };
        let old = Heap::with_naming(&before, &old).unwrap();
        let new = Heap::with_naming(&after, &new).unwrap();
        let diff = Diff::new(&old, &new);
        let suspect = diff.suspects[0];
        let held = diff.tree.nodes()[suspect.held as usize];
        let expression = Paths::new(&new).expression(&new, held.sample);
        assert!(expression.starts_with("main.server.audit"), "{name}: {expression}");
        assert_eq!(new.name(held.label, held.sample), "main.Details", "{name}");
        // Growing an array by append leaves some of the first ones where they were.
        assert!(
            (1990..=2000).contains(&diff.more_at(suspect.held)),
            "{name}: {}",
            diff.more_at(suspect.held)
        );
        let growth = u64::try_from(diff.growth()).unwrap();
        assert!(suspect.weight * 10 > growth * 9 && suspect.weight < growth * 11 / 10, "{name}: {growth}");

        let details = diff.types.iter().find(|change| change.name == "main.Details").unwrap();
        assert_eq!((details.added(), details.gone()), (2000, 0), "{name}");
        let sessions = diff.types.iter().find(|change| change.name == "main.Session").unwrap();
        assert_eq!((sessions.added(), sessions.gone(), sessions.survived.objects), (0, 0, 2000), "{name}");
    });
}

/// What an object retains is what is not reached without it: by walks that know nothing of dominators.
#[test]
fn retained_sizes_agree_with_walks_that_leave_an_object_out() {
    common::each_service(2000, &[], |service| {
        let index = Index::new(Dump::new(&service.after).unwrap()).unwrap();
        let binary = Binary::open(&service.program).unwrap();
        let typing = Typing::new(&index, Some(&binary)).unwrap();
        let naming = Typed { index: &index, typing: &typing, binary: Some(&binary) };
        let heap = Heap::with_naming(&index, &naming).unwrap();
        let (rows, all) = (heap.graph().rows(), heap.graph().all());
        let reached_without = |left_out: u32| {
            let mut seen = vec![false; rows.len() as usize];
            let (mut open, mut bytes) = (vec![all], 0);
            seen[all as usize] = true;
            while let Some(node) = open.pop() {
                bytes += heap.size(node);
                for &target in rows.row(node) {
                    if target != left_out && !std::mem::replace(&mut seen[target as usize], true) {
                        open.push(target);
                    }
                }
            }
            bytes
        };
        let mut checked = 0;
        let roots = heap.graph().roots().map(|(node, _)| node).filter(|&node| node != all);
        for node in top(&heap).iter().map(|row| row.sample).chain(roots.take(100)) {
            let retained = heap.reached().bytes - reached_without(node);
            assert_eq!(heap.retained(node), retained, "{}: node {node}", service.name);
            checked += 1;
        }
        assert!(checked > 100, "{}: {checked} nodes", service.name);
    });
}
