use super::*;
use crate::testing::beginning;
use crate::{Field, PointerSize};

/// A dump with objects at these addresses, of these lengths.
fn dump(objects: &[(u64, usize)]) -> Vec<u8> {
    let mut file = beginning(PointerSize::Four);
    for &(address, length) in objects {
        let contents = &vec![0; length][..];
        let fields = Fields::default();
        Record::Object(Object { address, contents, fields }).write_to(&mut file).unwrap();
    }
    file.push(0);
    file
}

#[test]
fn every_address_is_found_as_a_linear_search_finds_it() {
    let dense: Vec<(u64, usize)> = (0..100).map(|i| (0x1000 + 16 * i, 16)).collect();
    let gaps: Vec<(u64, usize)> = (0..50).map(|i| (0x1000 + i * i * 8, 8)).collect();
    let apart = [(0x10, 8), (0x18, 16), (1 << 20, 64), (u64::MAX - 16, 16), ((1 << 63) + 8, 1)];
    let unsorted: Vec<(u64, usize)> = dense.iter().copied().rev().chain([(0x10, 100)]).collect();
    let worlds: [&[(u64, usize)]; 8] =
        [&[], &[(0, 1)], &[(u64::MAX, 1)], &[(0, 1), (2, 1)], &dense, &gaps, &apart, &unsorted];
    for objects in worlds {
        let file = dump(objects);
        let index = Index::new(Dump::new(&file).unwrap()).unwrap();
        assert_eq!((index.len(), index.is_empty()), (objects.len(), objects.is_empty()));
        for id in 0..index.len() {
            let Object { address, contents, fields } = index.object(id);
            let quickly = (index.address(id), index.contents(id), index.has_fields(id));
            assert_eq!(quickly, (address, contents, !fields.is_empty()));
            assert_eq!(index.size(id), contents.len() as u64);
            let record = index.dump().records_from(index.offset(id)).next();
            assert_eq!(record, Some(Ok((index.offset(id), Record::Object(index.object(id))))));
        }
        let around = |&(start, length): &(u64, usize)| {
            [start.wrapping_sub(1), start, start + (length as u64 - 1) / 2]
                .into_iter()
                .chain((0..2).map(move |i| start.wrapping_add(length as u64 - 1 + i)))
        };
        for address in objects.iter().flat_map(around).chain([0, 1 << 40, u64::MAX]) {
            let expected = objects
                .iter()
                .find(|&&(start, length)| address >= start && address - start < length as u64)
                .map(|&(start, _)| start);
            let found = index.find(address).map(|id| index.object(id).address);
            assert_eq!(found, expected, "{address:#x}");
        }
    }
}

#[test]
fn an_index_is_made_again_of_its_parts() {
    let file = dump(&[(0x100, 8), (0x108, 8), (0x200, 16)]);
    let dump_of = |file| Dump::new(file).unwrap();
    let index = Index::new(dump_of(&file)).unwrap();
    let parts = index.parts().unwrap();
    let again = Index::from_parts(dump_of(&file), parts.clone()).unwrap();
    assert_eq!(again.parts(), Some(parts.clone()));
    assert_eq!((again.len(), again.find(0x20f)), (3, Some(2)));
    // The params and the end.
    assert_eq!(again.others().map(Iterator::count).collect::<Vec<_>>(), [1, 1]);
    let length = file.len() as u64;
    for (others, possible) in [
        (&[][..], true),
        (&[(30, 1), (length - 1, length - 1)], true),
        // One more than there are bytes.
        (&[(30, 1), (length - 1, length)], false),
        (&[(30, 1), (length - 1, u64::MAX)], false),
        // Not in their order, or not in the dump.
        (&[(length - 1, 1), (30, 1)], false),
        (&[(30, 1), (length, 1)], false),
    ] {
        let parts = Parts { others: others.into(), ..parts.clone() };
        assert_eq!(Index::from_parts(dump_of(&file), parts).is_some(), possible, "{others:?}");
    }
    let overlapping = dump(&[(0x100, 8), (0x108, 8), (0x104, 8)]);
    assert_eq!(Index::new(dump_of(&overlapping)).unwrap().parts(), None);
}

#[test]
fn an_object_points_to_objects() {
    let mut file = dump(&[(0x100, 8), (0x200, 8)]);
    assert_eq!(file.pop(), Some(0), "the eof record");
    let fields = Fields::encode_list([Field::pointer(4), Field::pointer(0)]);
    let fields = Fields::from_encoded(&fields).unwrap();
    Record::Object(Object { address: 0x300, contents: &[0, 0, 9, 9, 0, 0, 1, 7], fields })
        .write_to(&mut file)
        .unwrap();
    file.push(0);
    let index = Index::new(Dump::new(&file).unwrap()).unwrap();
    assert!(index.edges(0).next().is_none() && !index.has_fields(0) && index.has_fields(2));
    assert_eq!(index.edges(2).collect::<Vec<_>>(), [Edge { offset: 4, target: 0, interior: 7 }]);
}

#[test]
fn an_interface_is_two_pointers() {
    let file = dump(&[(0x100, 8), (0x200, 8)]);
    let index = Index::new(Dump::new(&file).unwrap()).unwrap();
    // Big endian words of four bytes; the last field has one word only.
    let contents = [0, 0, 1, 0, 0, 0, 2, 4, 0, 0, 1, 7];
    let fields = [1u8, 0, 2, 0, 3, 8];
    let edges: Vec<Edge> = index.edges_of(&contents, Fields::from_encoded(&fields).unwrap()).collect();
    let edge = |offset, target, interior| Edge { offset, target, interior };
    assert_eq!(edges, [edge(0, 0, 0), edge(0, 0, 0), edge(4, 1, 4), edge(8, 0, 7)]);
}
