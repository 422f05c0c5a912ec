//! The limit of HTTP: actix-web with a handler that answers the same bytes to everybody, with the headers that the DynamoDB API has.
//!
//! With a file it is the limit of puts, too: what it is sent is on the disk before it answers. One thread appends all that came while it
//! synced, with one write and one sync, and there is no store: no JSON, no versions, no tables.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::failure::Failure;

/// What is to be on the disk, and who waits for it.
type Append = (Bytes, oneshot::Sender<()>);

/// What every worker knows.
#[derive(Clone)]
struct Answer {
    body: Bytes,
    /// `None`: nothing is kept.
    appends: Option<Sender<Append>>,
}

/// Serves until the process is ended.
///
/// # Errors
///
/// When it cannot listen, or make the file.
pub fn serve(listen: SocketAddr, workers: usize, body_bytes: usize, append_to: Option<&Path>) -> Result<(), Failure> {
    let appends = append_to.map(journal).transpose()?;
    let doing = format!("listening on {listen}");
    let answer = Answer { body: Bytes::from(vec![b'x'; body_bytes]), appends };
    let serving = async move {
        let app = move || App::new().app_data(web::Data::new(answer.clone())).route("/", web::post().to(respond));
        HttpServer::new(app).workers(workers).bind(listen)?.run().await
    };
    actix_web::rt::System::new().block_on(serving).map_err(Failure::io(&doing))
}

/// A body that is not taken closes the connection.
async fn respond(asked: web::Bytes, answer: web::Data<Answer>) -> HttpResponse {
    if let Some(appends) = &answer.appends {
        let (written, is_written) = oneshot::channel();
        if appends.send((asked, written)).is_err() || is_written.await.is_err() {
            return HttpResponse::InternalServerError().finish();
        }
    }
    HttpResponse::Ok()
        .insert_header(("x-amzn-RequestId", "0123456789ABCDEFGHIJKLMNOPQRSTUV0123456789ABCDEFGHIJ"))
        .insert_header(("content-type", "application/x-amz-json-1.0"))
        .insert_header(("x-amz-crc32", "1234567890"))
        .body(Bytes::clone(&answer.body))
}

/// Starts the thread that appends to a new file.
fn journal(path: &Path) -> Result<Sender<Append>, Failure> {
    let doing = format!("writing {}", path.display());
    let file = OpenOptions::new().create_new(true).append(true).open(path).map_err(Failure::io(&doing))?;
    let (appends, asked) = channel();
    std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || append(file, &asked))
        .map_err(Failure::io("starting a thread"))?;
    Ok(appends)
}

/// Ends when nobody can ask, or when something cannot be written: whoever waits is told by that.
fn append(mut file: File, asked: &Receiver<Append>) {
    let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
    while let Ok(first) = asked.recv() {
        for (body, written) in std::iter::once(first).chain(asked.try_iter()) {
            bytes.extend_from_slice(&body);
            waiting.push(written);
        }
        if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        bytes.clear();
        for written in waiting.drain(..) {
            // Whoever asked may be gone.
            let _ = written.send(());
        }
    }
}
