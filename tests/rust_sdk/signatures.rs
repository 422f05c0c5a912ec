//! Access keys: what is signed with one is let in, all else is not.

use crate::cluster::Cluster;

use super::{client_with, create_table, item, refusal, refused, settings, text};

#[tokio::test]
async fn only_signed_requests_are_let_in() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let keys = folder.path().join("keys");
    write_for_owner(&keys, "AKIASHOP the-secret-of-the-shop\nAKIAADMIN another-secret-for-admins\n");
    let setting = format!("{:?}", keys.display().to_string());
    let cluster = Cluster::start_with(3, &[("http.access_keys_file", &setting)]);
    let client = |id, secret| client_with(settings(&cluster), id, secret);

    let shop = client("AKIASHOP", "the-secret-of-the-shop");
    let table = create_table(&shop, None).await;
    let put = shop.put_item().table_name(&table).item("id", text("ü /?&=%20"));
    put.send().await.expect("a signed request is carried out");
    let other = client("AKIAADMIN", "another-secret-for-admins");
    let get = other.get_item().table_name(&table).key("id", text("ü /?&=%20")).consistent_read(true);
    assert_eq!(get.send().await.expect("so is one with the other key").item, Some(item([("id", text("ü /?&=%20"))])));

    let wrong = client("AKIASHOP", "a guess").list_tables().send().await;
    let (code, status, message) = refusal(wrong);
    assert_eq!((code.as_str(), status), ("InvalidSignatureException", 400));
    assert!(message.starts_with("The request signature we calculated does not match"), "{message}");
    let unknown = client("AKIANOBODY", "the-secret-of-the-shop").list_tables().send().await;
    let words = "The security token included in the request is invalid.";
    assert_eq!(refusal(unknown), refused("UnrecognizedClientException", words));
    cluster.nodes.iter().for_each(crate::cluster::Node::assert_unharmed);
}

fn write_for_owner(path: &std::path::Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
}
