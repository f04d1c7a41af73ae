use std::time::Instant;
use chain::Network;
use consensus::testing::*;
use store::*;
fn du(p: &std::path::Path) -> u64 {
    let mut n = 0; let mut st = vec![p.to_path_buf()];
    while let Some(d) = st.pop() { for e in std::fs::read_dir(d).unwrap() { let e = e.unwrap(); if e.path().is_dir() { st.push(e.path()) } else { n += e.metadata().unwrap().len() } } }
    n
}
fn rss() -> String { std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmRSS")|| l.starts_with("VmHWM")).collect::<Vec<_>>().join(" ") }
#[test]
fn big_blocks() {
    let n: u64 = std::env::var("N").ok().and_then(|v| v.parse().ok()).unwrap_or(100);
    let m: u64 = std::env::var("M").ok().and_then(|v| v.parse().ok()).unwrap_or(400);
    let mut c = TestChain::new(Network::Regtest);
    let params = c.params().clone();
    let t = Instant::now();
    let mut k = 0;
    for _ in 0..n {
        let e = c.rate_epoch();
        let v: Vec<_> = (0..m).map(|_| { k += 1; TestEnvelope::message(&params, e, k).envelope }).collect();
        c.mine(Owner::new(0).account(), &[], &v);
    }
    eprintln!("built {n} blocks of {m} in {:?} {}", t.elapsed(), rss());
    let raw: usize = c.blocks().iter().map(|b| chain::codec::encode(b.block()).len()).sum();
    for d in [Durability::Buffered, Durability::EachBlock, Durability::Grouped { blocks: 1000 }] {
        let f = tempfile::tempdir().unwrap();
        let s = Store::open(f.path(), &params, Options { durability: d, ..Options::default() }).unwrap();
        let t = Instant::now();
        for b in c.blocks() { s.connect(b).unwrap(); }
        let el = t.elapsed();
        eprintln!("{d:?}: {:?} = {:.1} MB/s, {:.0} msg/s, {:.0} blocks/s {}", el, raw as f64 / 1e6 / el.as_secs_f64(), (n * m) as f64 / el.as_secs_f64(), n as f64 / el.as_secs_f64(), rss());
        s.close().unwrap(); s.compact(); 
        let disk = du(&f.path().join("chain"));
        eprintln!("disk {disk} raw {raw} ratio {:.3} overhead/msg {:.1}", disk as f64 / raw as f64, (disk as f64 - raw as f64) / (n * m) as f64);
        drop(s);
        let t = Instant::now();
        let s = Store::open(f.path(), &params, Options::default()).unwrap();
        eprintln!("open {:?}", t.elapsed());
        let v = s.view().unwrap();
        for _ in 0..2 {
        let t = Instant::now();
        let mut cnt = 0u64; 
        for b in v.bodies(chain::Height::new(0)..chain::Height::new(n + 1)) { let (_, b) = b.unwrap(); for e in &b.envelopes { cnt += e.as_slice()[12] as u64 % 2; } }
        eprintln!("scan {:?} {:.0} env/s {cnt}", t.elapsed(), (n * m) as f64 / t.elapsed().as_secs_f64());
        }
        let t = Instant::now(); v.verify().unwrap(); eprintln!("verify {:?}", t.elapsed());
        let t = Instant::now(); v.state_hash().unwrap(); eprintln!("state hash {:?}", t.elapsed());
        let t = Instant::now();
        drop(v);
        for b in c.blocks().iter().rev().take(50) { s.disconnect(b.id()).unwrap(); }
        eprintln!("disconnect 50 {:?}", t.elapsed());
        drop(s);
    }
    for d in [Durability::Buffered, Durability::Grouped { blocks: 1000 }] {
        let f = tempfile::tempdir().unwrap();
        let s = Store::open(f.path(), &params, Options { durability: d, ..Options::default() }).unwrap();
        let t = Instant::now();
        for b in c.blocks() { s.put_block(b.block()).unwrap(); }
        s.set_durability(Durability::EachBlock).unwrap();
        eprintln!("put_block {d:?} {:?} {:.1} MB/s", t.elapsed(), raw as f64 / 1e6 / t.elapsed().as_secs_f64());
    }
    // reference: ordered no-WAL bodies
    let f = tempfile::tempdir().unwrap();
    let mut o = rocksdb::Options::default(); o.create_if_missing(true); o.set_compression_type(rocksdb::DBCompressionType::None);
    let db = rocksdb::DB::open(&o, f.path()).unwrap();
    let mut w = rocksdb::WriteOptions::default(); w.disable_wal(true);
    let enc: Vec<_> = c.blocks().iter().map(|b| chain::codec::encode(&b.block().body)).collect();
    let t = Instant::now();
    for (i, b) in enc.iter().enumerate() { db.put_opt((i as u64).to_be_bytes(), b, &w).unwrap(); }
    db.flush().unwrap();
    eprintln!("bare {:?} {:.1} MB/s", t.elapsed(), raw as f64 / 1e6 / t.elapsed().as_secs_f64());
    let t = Instant::now(); let mut x = 0usize;
    for r in db.iterator(rocksdb::IteratorMode::Start) { x += r.unwrap().1.len(); }
    eprintln!("bare scan {:?} {:.0} env/s {x}", t.elapsed(), (n * m) as f64 / t.elapsed().as_secs_f64());
}
#[derive(Debug)] struct Blind;
impl store::space::Volume for Blind { fn space(&self, _: &std::path::Path) -> Option<store::space::Space> { None } }
#[test]
fn full() {
    let Some(dir) = std::env::var_os("TMPFS") else { return };
    let dir = std::path::Path::new(&dir);
    for blind in [false, true] {
        let _ = std::fs::remove_dir_all(dir.join("n"));
        let mut c = TestChain::new(Network::Regtest);
        let params = c.params().clone();
        let mut o = Options::default();
        if blind { o.volume = std::sync::Arc::new(Blind); }
        let s = Store::open(&dir.join("n"), &params, o).unwrap();
        std::fs::write(dir.join("ballast"), vec![0u8; 20 << 20]).unwrap();
        let mut k = 0; let mut refused = 0; let mut n = 0;
        while refused < 3 {
            let e = c.rate_epoch();
            let v: Vec<_> = (0..500).map(|_| { k += 1; TestEnvelope::message(&params, e, k).envelope }).collect();
            let b = c.build(Owner::new(0).account(), &[], &v);
            let a = c.apply(&b).unwrap();
            match s.connect(&a) { Ok(()) => { c.connect(&b).unwrap(); n += 1; } Err(e) => { refused += 1; eprintln!("blind {blind} after {n}: {e} disk {:?}", s.disk()); } }
            assert!(n < 1000);
        }
        let v = s.view().unwrap(); v.verify().unwrap(); assert_eq!(v.tip().height.get(), n); drop(v);
        eprintln!("reads ok; disk {:?}", s.disk());
        std::fs::remove_file(dir.join("ballast")).unwrap();
        let t = Instant::now();
        while s.disk() == DiskState::Full { std::thread::sleep(std::time::Duration::from_millis(100)); if t.elapsed().as_secs() > 30 { panic!("never recovered") } }
        eprintln!("recovered after {:?}", t.elapsed());
        for _ in 0..10 {
            let e = c.rate_epoch();
            let v: Vec<_> = (0..50).map(|_| { k += 1; TestEnvelope::message(&params, e, k).envelope }).collect();
            let a = c.mine(Owner::new(0).account(), &[], &v).clone();
            s.connect(&a).unwrap();
        }
        let v = s.view().unwrap(); v.verify().unwrap(); drop(v);
        drop(s);
        let s = Store::open(&dir.join("n"), &params, Options::default()).unwrap();
        eprintln!("reopened {:?}", s.recovery());
        let v = s.view().unwrap(); v.verify().unwrap(); assert_eq!(v.tip().height.get(), n + 10);
    }
}
