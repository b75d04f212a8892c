//! Asks broccoli-config, or the one that BROCCOLI_CONFIG names, where the library is.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=BROCCOLI_CONFIG");
    let config = env::var("BROCCOLI_CONFIG").unwrap_or_else(|_| "broccoli-config".into());
    let out = Command::new(&config)
        .arg("--libs")
        .output()
        .unwrap_or_else(|e| panic!("{config}: {e}; BROCCOLI_CONFIG says where broccoli-config is"));
    assert!(out.status.success(), "{config} --libs: {}", out.status);
    for word in String::from_utf8_lossy(&out.stdout).split_whitespace() {
        if let Some(dir) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={dir}");
        }
    }
}
