//! Tests of guest memory.

use super::*;

fn memory() -> GuestMemory {
    let mut m = GuestMemory::new();
    m.map("low", 0x1000, 0x2000, Prot::READ_WRITE).unwrap();
    m.map("high", 0x5000, 0x1000, Prot::READ).unwrap();
    m.map("next", 0x3000, 0x1000, Prot::NONE).unwrap();
    m
}

fn layout(m: &GuestMemory) -> Vec<String> {
    m.regions().map(|r| format!("{r:?}")).collect()
}

#[test]
fn regions_are_sorted_and_zeroed() {
    let m = memory();
    assert_eq!(layout(&m), ["0x1000-0x3000 rw- low", "0x3000-0x4000 --- next", "0x5000-0x6000 r-- high"]);
    assert!(m.regions().all(|r| r.bytes().iter().all(|&b| b == 0)));
    assert_eq!(m.region_at(0x2fff).unwrap().name(), "low");
    assert!(m.region_at(0x4000).is_none() && m.region_at(0x6000).is_none() && m.region_at(0xfff).is_none());
}

#[test]
fn refused_ranges_are_typed() {
    let mut m = memory();
    let before = layout(&m);
    assert!(matches!(m.map("a", 0x2000, 0x1000, Prot::ALL), Err(MemoryError::Overlap { other: "low", .. })));
    assert!(matches!(m.map("a", 0, 0x2000, Prot::ALL), Err(MemoryError::Overlap { other_addr: 0x1000, .. })));
    assert!(matches!(m.map("a", 0x10, 0x1000, Prot::ALL), Err(MemoryError::NotPages { .. })));
    assert!(matches!(m.map("a", 0x9000, 0, Prot::ALL), Err(MemoryError::NotPages { .. })));
    assert!(matches!(
        m.map("a", 0u64.wrapping_sub(PAGE), 0x2000, Prot::ALL),
        Err(MemoryError::OutOfSpace { .. })
    ));
    assert!(matches!(m.map("a", 0x10000, 1 << 60, Prot::ALL), Err(MemoryError::Host { .. })));
    assert!(matches!(m.write(0x3fff, &[1, 2]), Err(MemoryError::NotMapped { missing: 0x4000, .. })));
    assert!(matches!(m.fill(u64::MAX, 2, 0), Err(MemoryError::OutOfSpace { .. })));
    assert!(matches!(
        m.protect(0x3000, 0x2000, Prot::ALL),
        Err(MemoryError::NotMapped { missing: 0x4000, .. })
    ));
    assert_eq!(layout(&m), before);
    assert_eq!(m.region_at(0x3fff).unwrap().bytes()[0xfff], 0, "a refused write writes nothing");
}

#[test]
fn accesses_cross_adjacent_regions() {
    let mut m = memory();
    m.write(0x2ffe, &[1, 2, 3, 4]).unwrap();
    let mut buf = [0; 4];
    m.read(Addr(0x2ffe), &mut buf).unwrap();
    assert_eq!(buf, [1, 2, 3, 4]);
    assert!(m.borrow(Addr(0x2ffe), 4).is_none(), "two pieces of host memory");
    assert_eq!(m.borrow(Addr(0x2ffe), 2), Some(&[1, 2][..]));
    assert_eq!(m.read(Addr(0x3fff), &mut buf), Err(Unreadable { addr: Addr(0x3fff), len: 4 }));
    assert_eq!(m.read(Addr(u64::MAX), &mut buf), Err(Unreadable { addr: Addr(u64::MAX), len: 4 }));
    m.fill(0x2fff, 2, 9).unwrap();
    m.borrow_mut(0x3001, 1).unwrap()[0] = 7;
    m.read(Addr(0x2ffe), &mut buf).unwrap();
    assert_eq!(buf, [1, 9, 9, 7]);
}

#[test]
fn splits_keep_contents_and_still_lend_across() {
    let mut m = GuestMemory::new();
    m.map("a", 0x10000, 0x4000, Prot::READ_WRITE).unwrap();
    m.fill(0x10000, 0x4000, 5).unwrap();
    m.protect(0x11000, 0x1000, Prot::READ).unwrap();
    assert_eq!(layout(&m), ["0x10000-0x11000 rw- a", "0x11000-0x12000 r-- a", "0x12000-0x14000 rw- a"]);
    assert_eq!(m.borrow(Addr(0x10001), 0x3fff).unwrap(), [5; 0x3fff]);
    m.unmap(0x13000, 0x8000).unwrap();
    m.unmap(0x10000, 0x1000).unwrap();
    assert_eq!(layout(&m), ["0x11000-0x12000 r-- a", "0x12000-0x13000 rw- a"]);
    assert!(m.borrow(Addr(0x11000), 0x2001).is_none());
    m.map("b", 0x13000, 0x1000, Prot::READ_WRITE).unwrap();
    assert_eq!(m.region_at(0x13000).unwrap().bytes(), [0; 0x1000], "mapped again is zeroed again");
    assert!(m.borrow(Addr(0x12fff), 2).is_none());
}

#[test]
fn gaps_are_found_between_regions() {
    let m = memory();
    assert_eq!(m.find_gap(0, 0x10000, 0x1000), Some(0));
    assert_eq!(m.find_gap(0x1001, 0x10000, 0x1000), Some(0x4000));
    assert_eq!(m.find_gap(0x1001, 0x10000, 0x2000), Some(0x6000));
    assert_eq!(m.find_gap(0x1001, 0x7000, 0x2000), None);
    assert_eq!(m.find_gap(u64::MAX, u64::MAX, 1), None);
}

#[test]
fn every_layout_has_its_own_number() {
    let mut m = memory();
    let first = m.layout();
    m.write(0x1000, &[1]).unwrap();
    assert_eq!(m.layout(), first, "contents are no layout");
    m.protect(0x1000, 0x1000, Prot::READ).unwrap();
    assert_ne!(m.layout(), first);
    assert_ne!(GuestMemory::new().layout(), GuestMemory::new().layout());
}
