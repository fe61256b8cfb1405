use super::*;

fn builder(places: &[Place]) -> Builder {
    let mut builder = Builder::default();
    places.iter().for_each(|&place| builder.push(place));
    builder
}

/// Spans of objects of a size, with free slots.
fn spans() -> Vec<Place> {
    let mut offset = 100;
    let mut places = Vec::new();
    for (start, size, count) in
        [(0x2000, 48, 170), (0x8000, 8, 1024), (0x10_0000, 1 << 20, 3), (0x4000, 16, 64)]
    {
        for slot in (0..count).filter(|slot| slot % 7 != 3 || start == 0x8000) {
            places.push(Place { address: start + slot * size, offset, size, fields: slot % 3 == 0 });
            offset += size + 12;
        }
    }
    places
}

/// With few moves, and an eighth more than is needed at most.
#[test]
fn room_grows_by_an_eighth() {
    let (mut values, mut moves) = (Vec::new(), 0);
    for value in 0..10_000u32 {
        let before = values.capacity();
        grow(&mut values);
        values.push(value);
        moves += u32::from(values.capacity() != before);
        assert!(values.capacity() <= values.len() / 8 * 9 + 72, "{} of {}", values.len(), values.capacity());
    }
    assert!(moves < 64, "{moves}");
}

#[test]
fn objects_of_spans_are_few_blocks() {
    let mut places: Vec<Place> = spans().into_iter().filter(|place| place.size != 1 << 20).collect();
    let blocks = builder(&places).finish().unwrap();
    places.sort_unstable();
    assert_eq!(blocks.blocks.len(), 3 + 1024 / 64 + 1);
    assert_eq!((0..blocks.len()).map(|id| blocks.place(id)).collect::<Vec<_>>(), places);
    assert!(blocks.parts.len() <= 2 * blocks.blocks.len() + 1);
    // As many parts as that allows.
    let (first, last) = (blocks.blocks[0].start, blocks.blocks.last().unwrap().start);
    let parts = |shift: u32| (last - first) >> shift;
    let most = 2 * blocks.blocks.len() as u64;
    assert!(parts(blocks.shift) < most && parts(blocks.shift - 1) >= most, "2^{}", blocks.shift);
    assert_eq!(blocks.parts.len() as u64, parts(blocks.shift) + 2);
    for vector in [&blocks.parts, &blocks.strides, &blocks.offsets] {
        assert_eq!(vector.len(), vector.capacity(), "the memory that is needed");
    }
}

/// Objects in an order that no runtime writes are found as well, if no block reaches into another.
#[test]
fn blocks_find_objects_as_a_search_finds_them() {
    let place = |address, size, offset| Place { address, offset, size, fields: offset % 2 == 0 };
    let disorder: Vec<Place> = (0..500).map(|i| place(i * 7919 % 1009 * 8, i % 5 * 8, i * 100)).collect();
    let backwards: Vec<Place> = (0..300).map(|i| place(0x9000 - i * 16, 16, i * 30)).collect();
    let empty: Vec<Place> = (0..300).map(|i| place(0x1000, 0, i * 30)).collect();
    let far: Vec<Place> = (0..70).map(|i| place(0x1000 + i * 16, 16, i << 31)).collect();
    let edge =
        vec![place(u64::MAX - 15, 16, 5), place(u64::MAX, 0, 50), place(0, 1, 70), place(u64::MAX, 1, 60)];
    // After the last address comes the first.
    let around_the_end = vec![place(u64::MAX - 15, 16, 5), place(0, 16, 50)];
    for mut places in [spans(), disorder, backwards, empty, far, edge, around_the_end, Vec::new()] {
        let blocks = builder(&places).finish().unwrap();
        places.sort_unstable();
        assert_eq!(blocks.len(), places.len());
        for (id, expected) in places.iter().enumerate() {
            assert_eq!(blocks.place(id), *expected);
            let quickly = (blocks.address(id), blocks.size(id), blocks.has_fields(id));
            assert_eq!(quickly, (expected.address, expected.size, expected.fields));
            assert_eq!(blocks.searched(id), blocks.block_of(id));
        }
        let around = |place: &Place| {
            let (start, end) = (place.address, place.address.wrapping_add(place.size));
            [-1, 0, 1, 7]
                .map(|by| start.wrapping_add_signed(by))
                .into_iter()
                .chain([-1, 0, 1].map(move |by| end.wrapping_add_signed(by)))
        };
        for address in places.iter().flat_map(around).chain([0, 1 << 40, u64::MAX]) {
            let last = places.iter().rposition(|place| place.address <= address);
            let expected = last.filter(|&id| address - places[id].address < places[id].size);
            let expected = expected.map(|id| (id, address - places[id].address));
            assert_eq!(blocks.find(address), expected, "{address:#x}");
        }
        let (parts, offsets) = blocks.parts();
        let end = places.iter().map(|place| place.offset + place.size + 40).max().unwrap_or(0);
        assert_eq!(Blocks::from_parts(&parts, offsets.to_vec(), end).as_ref(), Some(&blocks));
    }
}

#[test]
fn blocks_that_no_dump_has_are_refused() {
    let blocks = builder(&spans()).finish().unwrap();
    let (parts, offsets) = blocks.parts();
    let end = 100 + spans().iter().map(|place| place.size + 12).sum::<u64>();
    assert!(Blocks::from_parts(&parts, offsets.to_vec(), end).is_some());
    assert!(Blocks::from_parts(&parts, offsets.to_vec(), end - 12).is_none());
    assert!(Blocks::from_parts(&parts[1..], offsets.to_vec(), end).is_none());
    assert!(Blocks::from_parts(&parts, offsets[..100].to_vec(), end).is_none());
    assert!(Blocks::from_parts(&parts, [offsets, &[0]].concat(), end).is_none());
    for (block, field, value) in [
        (1, 0, 0),
        (3, 0, u64::MAX),
        (0, 1, 0),
        (2, 1, u64::MAX),
        (0, 2, 0),
        (0, 2, 2),
        (0, 3, 8),
        (0, 4, end),
    ] {
        let mut parts = parts.clone();
        parts[block][field] = value;
        let found = Blocks::from_parts(&parts, offsets.to_vec(), end);
        assert!(found.is_none(), "field {field} of block {block} is {value:#x}");
    }
    let mut wrong = offsets.to_vec();
    wrong[0] = 1;
    assert!(Blocks::from_parts(&parts, wrong, end).is_none());
}

/// Fewer than two parts a block.
#[test]
fn parts_are_fewer_than_twice_the_blocks() {
    let place = |address, size, offset| Place { address, offset, size, fields: false };
    let blocks = builder(&[place(0x1000, 16, 0), place(0x5000, 32, 30)]).finish().unwrap();
    assert_eq!((blocks.shift, &blocks.parts[..]), (13, &[0, 1, 1, 2][..]));
}

#[test]
fn a_block_ends_where_its_dump_does() {
    // A tag, two bytes of an address, one of a size, the contents, and the end of the list.
    let end = 100 + 1 + 2 + 1 + 16 + 1;
    let block = |present| [[0x1000, 16, present, 0, 100]];
    assert!(Blocks::from_parts(&block(1), vec![0], end).is_some());
    assert!(Blocks::from_parts(&block(1), vec![0], end - 1).is_none());
    assert!(Blocks::from_parts(&block(2), vec![0], end).is_none(), "slot 0 has an object");
    // The same record twice.
    let twice = [block(1)[0]; 2];
    assert!(Blocks::from_parts(&twice, vec![0, 0], end).is_none());
}

#[test]
fn what_reaches_into_each_other_is_no_blocks() {
    let place = |address, size, offset| Place { address, offset, size, fields: false };
    let again: Vec<Place> = (0..300).map(|i| place(0x1000 + i % 100 * 16, 16, i * 30)).collect();
    let entries = builder(&again).finish().unwrap_err();
    let mut found: Vec<(u64, u64)> = entries.places().collect();
    let mut expected: Vec<(u64, u64)> = again.iter().map(|place| (place.address, place.offset)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    // The last object of a block is at the first one's address of the next.
    let touching = [place(0x1000, 16, 0), place(0x1010, 16, 30), place(0x1010, 8, 60), place(0x1018, 8, 90)];
    assert!(builder(&touching).finish().is_err());
    let apart: Vec<Place> = (0..3000).map(|i| place(0x1000 + i * 100, i % 2 + 1, i * 30)).collect();
    assert!(!builder(&apart[..1000]).is_sparse() && builder(&apart).is_sparse());
    assert!(!builder(&spans()).is_sparse());
    // So many blocks of eight objects each, and of one more altogether.
    let blocks_of = |size: u64, blocks: u64| {
        (0..blocks).flat_map(move |i| {
            (0..size)
                .map(move |j| place(0x1000 + i * 1000 + j * (8 + i % 2 * 8), 8 + i % 2 * 8, i * 1000 + j))
        })
    };
    let few = FEW as u64;
    let sparse = |places: Vec<Place>| {
        let builder = builder(&places);
        (builder.blocks.len() as u64, builder.is_sparse())
    };
    assert_eq!(sparse(blocks_of(1, few).collect()), (few, false));
    assert_eq!(sparse(blocks_of(1, few + 1).collect()), (few + 1, true));
    assert_eq!(sparse(blocks_of(7, few + 1).collect()), (few + 1, true));
    assert_eq!(sparse(blocks_of(8, few + 1).collect()), (few + 1, false));
}
