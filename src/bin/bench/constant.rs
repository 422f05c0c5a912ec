//! The limit of HTTP: actix-web with a handler that answers the same bytes to everybody, with the headers that the DynamoDB API has.

use std::net::SocketAddr;

use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;

use super::failure::Failure;

/// Serves until the process is ended.
///
/// # Errors
///
/// When it cannot listen.
pub fn serve(listen: SocketAddr, workers: usize, body_bytes: usize) -> Result<(), Failure> {
    let doing = format!("listening on {listen}");
    let body = Bytes::from(vec![b'x'; body_bytes]);
    let serving = async move {
        // A body that is not taken closes the connection.
        let answer = move |_: web::Bytes, body: web::Data<Bytes>| {
            let body = Bytes::clone(&body);
            async move {
                HttpResponse::Ok()
                    .insert_header(("x-amzn-RequestId", "0123456789ABCDEFGHIJKLMNOPQRSTUV0123456789ABCDEFGHIJ"))
                    .insert_header(("content-type", "application/x-amz-json-1.0"))
                    .insert_header(("x-amz-crc32", "1234567890"))
                    .body(body)
            }
        };
        let app = move || App::new().app_data(web::Data::new(body.clone())).route("/", web::post().to(answer));
        HttpServer::new(app).workers(workers).bind(listen)?.run().await
    };
    actix_web::rt::System::new().block_on(serving).map_err(Failure::io(&doing))
}
