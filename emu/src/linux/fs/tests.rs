//! The tree of files, as system calls see it.

use super::super::flags::{O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY};
use super::*;

/// A tree with a folder of the guest's own.
fn files() -> (Files, Node) {
    let files = Files::new(Budget::new(1 << 20), 1, None).unwrap();
    let root = files.root();
    files.mkdir(&root, b"/home", 0o777).unwrap();
    (files, root)
}

/// Makes a file that holds its own path.
fn make(files: &mut Files, root: &Node, path: &str) -> Node {
    let node = files.open(root, path.as_bytes(), O_WRONLY | O_CREAT | O_EXCL, 0o666).unwrap();
    let Kind::File(data) = &node.kind else { panic!("{path} is no file") };
    data.borrow_mut().write(0, path.as_bytes()).unwrap();
    node.clone()
}

fn names(files: &Files, folder: &Node) -> Vec<String> {
    let mut names = Vec::new();
    files.list(folder, FIRST_POSITION, |_, name, _, _| {
        names.push(String::from_utf8(name.to_vec()).unwrap());
        true
    });
    names
}

#[test]
fn files_are_made_where_there_is_a_folder() {
    let (mut files, root) = files();
    let mut open = |path: &[u8], flags| files.open(&root, path, flags, 0o666).map(|node| node.number);
    assert_eq!(open(b"", O_CREAT | O_RDWR), Err(Errno::NoEnt));
    assert_eq!(open(b"/no/such", O_CREAT | O_RDWR), Err(Errno::NoEnt));
    assert_eq!(open(b"/home/a/", O_CREAT | O_RDWR), Err(Errno::IsDir));
    let number = open(b"/home/../home/./a", O_CREAT | O_RDWR).unwrap();
    assert_eq!(open(b"home/a", O_CREAT | O_RDWR), Ok(number));
    assert_eq!(open(b"/home/a", O_CREAT | O_EXCL), Err(Errno::Exist));
    assert_eq!((open(b"/home/a/b", 0), open(b"/home/a/", 0)), (Err(Errno::NotDir), Err(Errno::NotDir)));
    assert_eq!((open(b"/home", O_RDWR), open(b"/home", O_CREAT)), (Err(Errno::IsDir), Err(Errno::IsDir)));
    assert_eq!(open(&[b'a'; 256], O_CREAT), Err(Errno::NameTooLong));
    assert_eq!(open(&[b'/'; 4096], 0), Err(Errno::NameTooLong));
    assert_eq!(files.lookup(&root, b"/home/a", true).unwrap().meta.get().mode, 0o644, "less the umask");
}

#[test]
fn permissions_are_the_owners() {
    let (mut files, root) = files();
    let node = make(&mut files, &root, "/home/a");
    node.update(|meta| meta.mode = 0o277);
    assert_eq!(files.open(&root, b"/home/a", 0, 0).err(), Some(Errno::Acces));
    assert!(files.open(&root, b"/home/a", O_WRONLY, 0).is_ok());
    files.mkdir(&root, b"/d", 0o577).unwrap();
    assert_eq!(files.mkdir(&root, b"/d/e", 0o777), Err(Errno::Acces));
    files.lookup(&root, b"/d", true).unwrap().update(|meta| meta.mode = 0o600);
    assert_eq!(files.lookup(&root, b"/d/e", true).err(), Some(Errno::Acces));
}

#[test]
fn links_lead_somewhere_or_nowhere() {
    let (mut files, root) = files();
    make(&mut files, &root, "/home/file");
    files.symlink(b"home/./file", &root, b"/relative").unwrap();
    files.symlink(b"/home", &root, b"/folder").unwrap();
    files.symlink(b"loop", &root, b"/loop").unwrap();
    files.symlink(b"/home/new", &root, b"/dangling").unwrap();
    let number = |path: &[u8], follow| files.lookup(&root, path, follow).map(|node| node.number);
    let file = number(b"/home/file", true);
    assert_eq!((number(b"/relative", true), number(b"/folder/file", false)), (file, file));
    assert_ne!(number(b"/relative", false), file);
    assert_eq!(number(b"/folder/", false), number(b"/home", true));
    assert_eq!((number(b"/loop", true), number(b"/loop/x", false)), (Err(Errno::Loop), Err(Errno::Loop)));
    assert_eq!(number(b"/dangling", true), Err(Errno::NoEnt));
    assert_eq!(files.mkdir(&root, b"/dangling/", 0o777), Err(Errno::Exist));
    assert_eq!(files.rmdir(&root, b"/folder/"), Err(Errno::NotDir));
    assert_eq!(files.open(&root, b"/dangling", O_CREAT | O_EXCL, 0).err(), Some(Errno::Exist));
    files.open(&root, b"/dangling", O_CREAT, 0o600).unwrap();
    assert!(files.lookup(&root, b"/home/new", true).is_ok());
}

#[test]
fn a_file_lives_as_long_as_it_has_a_name_or_is_open() {
    let (mut files, root) = files();
    let left = files.room.left();
    let node = make(&mut files, &root, "/home/a");
    files.link(&node, &root, b"/b").unwrap();
    assert_eq!((node.meta.get().links, node.size()), (2, 7));
    files.unlink(&root, b"/home/a").unwrap();
    files.unlink(&root, b"/b").unwrap();
    assert_eq!((node.meta.get().links, node.size()), (0, 7));
    drop(node);
    assert_eq!(files.room.left(), left);
}

#[test]
fn folders_are_renamed_with_all_that_is_in_them() {
    let (mut files, root) = files();
    files.mkdir(&root, b"/a", 0o777).unwrap();
    files.mkdir(&root, b"/a/b", 0o777).unwrap();
    make(&mut files, &root, "/a/b/f");
    files.mkdir(&root, b"/c", 0o777).unwrap();
    let mut rename =
        |from: &str, to: &str, flags| files.rename((&root, from.as_bytes()), (&root, to.as_bytes()), flags);
    assert_eq!(rename("/a", "/a/b/d", 0), Err(Errno::Inval));
    assert_eq!(rename("/a/b/f", "/c", 0), Err(Errno::IsDir));
    assert_eq!(rename("/c", "/a/b/f", 0), Err(Errno::NotDir));
    assert_eq!(rename("/c", "/a", 0), Err(Errno::NotEmpty));
    assert_eq!(rename("/a/b/f", "/a", 0), Err(Errno::NotEmpty));
    assert_eq!(rename("/a", "/c", change::RENAME_NOREPLACE), Err(Errno::Exist));
    assert_eq!(rename("/none", "/c", 0), Err(Errno::NoEnt));
    assert_eq!(rename("/home/.", "/x", 0), Err(Errno::Busy));
    rename("/a", "/c", 0).unwrap();
    rename("/c/b/f", "/c/b/f", 0).unwrap();
    rename("/c/b", "/home", change::RENAME_EXCHANGE).unwrap();
    let moved = files.lookup(&root, b"/home", true).unwrap();
    assert_eq!(
        (files.path_of(&moved).unwrap(), names(&files, &moved)),
        (b"/home".to_vec(), vec!["f".into()])
    );
    assert_eq!(files.lookup(&root, b"/home/..", true).unwrap().number, root.number);
}

#[test]
fn removed_folders_are_empty_and_stay_so() {
    let (mut files, root) = files();
    files.mkdir(&root, b"/d", 0o777).unwrap();
    make(&mut files, &root, "/d/f");
    let folder = files.lookup(&root, b"/d", true).unwrap();
    assert_eq!(files.rmdir(&root, b"/d"), Err(Errno::NotEmpty));
    assert_eq!(
        (files.unlink(&root, b"/d"), files.rmdir(&root, b"/d/f")),
        (Err(Errno::IsDir), Err(Errno::NotDir))
    );
    assert_eq!(
        (files.rmdir(&root, b"/d/."), files.rmdir(&root, b"/")),
        (Err(Errno::Inval), Err(Errno::Busy))
    );
    files.unlink(&root, b"/d/f").unwrap();
    files.rmdir(&root, b"/d").unwrap();
    assert_eq!((files.path_of(&folder), folder.meta.get().links), (None, 0));
    assert_eq!(files.mkdir(&folder, b"e", 0o777), Err(Errno::NoEnt));
}

#[test]
fn a_deleted_file_is_kept_if_it_is_wanted() {
    let wanted = |head: &[u8]| head.starts_with(b"/keep");
    let mut files = Files::new(Budget::new(1 << 20), 1, Some(wanted)).unwrap();
    let root = files.root();
    for name in ["/keep1", "/no", "/keep2"] {
        drop(make(&mut files, &root, name));
        files.unlink(&root, name.as_bytes()).unwrap();
    }
    let open = make(&mut files, &root, "/keep3");
    files.unlink(&root, b"/keep3").unwrap();
    let kept = |files: &Files| files.deleted().iter().map(Kept::name).collect::<Vec<_>>();
    assert_eq!(kept(&files), ["/keep2", "/keep3"]);
    drop(open);
    files.closed();
    assert_eq!(kept(&files), ["/keep3"]);
    assert_eq!(files.deleted()[0].to_vec().unwrap(), b"/keep3");
}

#[test]
fn what_is_cut_off_gives_its_room_back() {
    let (mut files, root) = files();
    let left = files.room.left();
    let node = make(&mut files, &root, "/f");
    let before = files.room.left();
    files.truncate(&node, 1 << 30).unwrap();
    assert_eq!((node.size(), files.room.left()), (1 << 30, before), "a hole costs nothing");
    files.open(&root, b"/f", O_WRONLY | O_TRUNC, 0).unwrap();
    assert_eq!(node.size(), 0);
    assert!(files.room.left() > before && files.room.left() < left);
}

/// A name, an inode: nothing is too small to count.
#[test]
fn folders_and_empty_files_end_with_the_room() {
    type Make = fn(&mut Files, &Node, String) -> Result<(), Errno>;
    let kinds: [Make; 3] = [
        |files, root, name| files.mkdir(root, name.as_bytes(), 0o755),
        |files, root, name| files.open(root, name.as_bytes(), O_WRONLY | O_CREAT, 0o644).map(drop),
        |files, root, name| files.symlink(b"x", root, name.as_bytes()),
    ];
    for (kind, make) in kinds.into_iter().enumerate() {
        let (mut files, root) = files();
        // A mebibyte has room for some thousands.
        let made = (0..100_000).map(|n| make(&mut files, &root, format!("/{n}")));
        let made: Vec<Result<(), Errno>> = made.take_while(Result::is_ok).collect();
        assert!((100..20_000).contains(&made.len()), "{kind}: {}", made.len());
        assert_eq!(make(&mut files, &root, "/another".into()), Err(Errno::NoSpc), "{kind}");
        files.unlink(&root, b"/7").or_else(|_| files.rmdir(&root, b"/7")).unwrap();
        assert_eq!(
            make(&mut files, &root, "/another".into()),
            Ok(()),
            "{kind}: what goes gives its room back"
        );
    }
}

#[test]
fn the_host_is_seen_through_mounts_alone() {
    let dir = tempdir();
    std::fs::create_dir_all(dir.join("in/below")).unwrap();
    std::fs::write(dir.join("in/file"), b"hello").unwrap();
    std::fs::write(dir.join("secret"), b"no").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.join("secret"), dir.join("in/link")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../file", dir.join("in/below/link")).unwrap();

    let (mut files, root) = files();
    let mount = |guest: &str, host: &str| Mount { guest: guest.into(), host: dir.join(host) };
    files.mount(&mount("/data", "in")).unwrap();
    files.mount(&mount("/data/below/more", "secret")).unwrap();
    files.mount(&mount("/a/b", "secret")).unwrap();
    assert_eq!(files.mount(&mount("/x", "none")), Err(Errno::NoEnt));
    let file = files.open(&root, b"/data/file", 0, 0).unwrap();
    let Kind::Host(host) = &file.kind else { panic!("a file of the host's") };
    let mut buf = [0; 9];
    assert_eq!((host.read(1, &mut buf), &buf[..4], file.size()), (Ok(4), &b"ello"[..], 5));
    let number = |path: &[u8]| files.lookup(&root, path, true).map(|node| node.number);
    assert_eq!(number(b"/data/file"), Ok(file.number), "the same inode each time");
    assert_eq!(number(b"/data/../secret"), Err(Errno::NoEnt));
    assert_eq!((number(b"/a/b/c"), number(b"/a")).0, Err(Errno::NotDir));
    #[cfg(unix)]
    {
        assert_eq!(number(b"/data/link"), Err(Errno::NoEnt), "leads out of the mount");
        assert_eq!(number(b"/data/below/link"), Ok(file.number));
    }
    assert!(number(b"/data/below/more").is_ok());
    let folder = files.lookup(&root, b"/data/below", true).unwrap();
    assert!(names(&files, &folder).contains(&"more".to_owned()));
    assert_eq!(files.open(&root, b"/data/file", O_WRONLY, 0).err(), Some(Errno::RoFs));
    assert_eq!(files.open(&root, b"/data/new", O_CREAT, 0).err(), Some(Errno::RoFs));
    assert_eq!(
        (files.unlink(&root, b"/data/file"), files.rmdir(&root, b"/data")),
        (Err(Errno::RoFs), Err(Errno::Busy))
    );
    std::fs::remove_dir_all(dir).unwrap();
}

fn tempdir() -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("heapmatrix-fs-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
