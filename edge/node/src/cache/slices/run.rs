//! Fetching a run of lacking slices with one request. Each is filled in memory at the upstream's pace,
//! for all who want it, and stored when it is whole; the next one is begun when the client has taken up
//! this one. When bodies on their way take too much memory already, or the answer may not be stored,
//! the run passes through at the client's pace.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use zephyr_cache::{Part, slices};
use zephyr_store::{Filled, Filler};

use super::body::{Failed, Piece, Source};
use super::walk::{Permit, Walk};
use crate::body::Body;
use crate::cache::content::Content;
use crate::cache::fill::{self, Weight};
use crate::cache::flight::{Boarding, Pilot};
use crate::cache::forward::{Trip, assess, copy};
use crate::cache::splice;
use crate::cache::tags::Names;

/// So many slices are asked for at once.
const MAX_RUN: u64 = 64;
/// How long those who wait are kept for a client that does not take more, before one of them goes for
/// the next slice with a request of its own.
const GRACE: Duration = Duration::from_millis(100);
/// How long a slice is still filled when nobody reads it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A run that has begun to come.
struct Run {
    body: Body,
    /// What has come and is not yet taken.
    ahead: Bytes,
    /// The last slice of it.
    to: u64,
    /// What its slices are stored with; none when they may not be.
    names: Option<Names>,
}

impl Walk {
    /// Fetches what lacks from this slice on; tells which slice is next.
    pub(super) async fn run(
        &mut self,
        from: u64,
        mut pilot: Option<Pilot>,
        mut permit: Permit,
    ) -> Result<u64, Failed> {
        let mut run = self.ask(from).await?;
        let cache = Arc::clone(&self.sliced.cache);
        let mut number = from;
        loop {
            let mut weight = Weight::new(Arc::clone(&cache));
            let length = self.sliced.slices.length(number);
            let fits = weight.add(length as usize);
            let Some(names) = run.names.clone().filter(|_| fits) else {
                if let Some(pilot) = pilot {
                    pilot.land_alone();
                }
                return Ok(self.pass(run, number, permit));
            };
            cache.slice_fills.fetch_add(1, Relaxed);
            let weight = Arc::new(weight);
            self.fill(&mut run, number, (permit, weight), pilot.as_ref(), names)
                .await?;
            number += 1;
            if number > run.to {
                return Ok(number);
            }
            permit = match tokio::time::timeout(GRACE, self.permit()).await {
                Ok(permit) => permit.ok_or(Failed::Left)?,
                Err(_) => {
                    // The others need not wait until this client wants more.
                    drop(pilot.take());
                    self.permit().await.ok_or(Failed::Left)?
                }
            };
            if !self.sliced.lacks(number) {
                return Ok(number);
            }
            let flight = self.sliced.key_of(number).hash();
            // Before the pilot of the one before lands: those who follow find that it goes on.
            let next = match cache.board(flight, flight) {
                Boarding::Fly(pilot) => Some(pilot),
                Boarding::Alone => None,
                // Another one has just gone for it.
                Boarding::Wait(_) => return Ok(number),
            };
            pilot = next;
        }
    }

    /// Asks for the run that begins with this slice.
    async fn ask(&mut self, from: u64) -> Result<Run, Failed> {
        let sliced = &self.sliced;
        let last = sliced.slices.at(self.wanted.1);
        let lacks = |number| sliced.lacks(number);
        let to = sliced.slices.run(from, last, MAX_RUN, lacks);
        let part = sliced.slices.part(from, to);
        let mut request = copy(&self.x, Body::Empty);
        slices::ask(request.headers_mut(), &part, &sliced.head.head.headers);
        let sent = request.headers().clone();
        self.x.cache = self.filters.clone();
        let cache = Arc::clone(&sliced.cache);
        let (began, asked) = (cache.tags.begin(), cache.now());
        let answer = self.fetch.fetch(&mut self.x, request).await;
        let trip = Trip {
            began,
            asked,
            arrived: cache.now(),
        };
        let (parts, body) = answer.map_err(Failed::Upstream)?.into_parts();
        let (own, headers) = (&self.sliced.head.head.headers, &parts.headers);
        if !slices::brings(&part, own, &sent, parts.status, headers) {
            return Err(refused(parts.status));
        }
        let may = assess(&self.x, parts.status, headers, trip).is_ok();
        let names = || {
            cache
                .names(&self.x, headers, began)
                .with(&self.sliced.head.names)
        };
        Ok(Run {
            body,
            ahead: Bytes::new(),
            to,
            names: may.then(names),
        })
    }

    /// Fills a slice, gives it to the client and to all who wait for it, and stores it.
    async fn fill(
        &self,
        run: &mut Run,
        number: u64,
        (permit, weight): (Permit, Arc<Weight>),
        pilot: Option<&Pilot>,
        names: Names,
    ) -> Result<(), Failed> {
        let length = self.sliced.slices.length(number);
        let filler = Filler::in_memory();
        let content = Content::Filling(filler.fill(), Some(length));
        let (low, high) = self.within(number);
        permit.send(Ok(Piece {
            body: content.part(low, high),
            length: high - low + 1,
            source: Source::Upstream,
            _weight: Some(weight),
        }));
        if let Some(pilot) = pilot {
            let stored = self.sliced.stored(number, 0, content, names.clone());
            pilot.share(Arc::new(stored));
        }
        let (mut left, mut left_at) = (length, None);
        while left > 0 {
            let chunk = run.next(left).await?;
            left -= chunk.len() as u64;
            filler.append(chunk);
            if filler.has_readers() {
                left_at = None;
            } else if left_at.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err(Failed::Left);
            }
        }
        if let Filled::Memory(bytes) = filler.finish().await {
            self.sliced.keep(number, 0, bytes, names);
        }
        Ok(())
    }

    /// Gives the client what it wants of the rest of the run as it comes.
    fn pass(&self, run: Run, number: u64, permit: Permit) -> u64 {
        let slices = self.sliced.slices;
        let Part { first, last, .. } = slices.part(number, run.to);
        let (from, to) = (self.wanted.0.max(first), self.wanted.1.min(last));
        let body = if run.ahead.is_empty() {
            run.body
        } else {
            splice::behind(run.ahead, run.body)
        };
        permit.send(Ok(Piece {
            body: splice::without(from - first, body),
            length: to - from + 1,
            source: Source::Upstream,
            _weight: None,
        }));
        run.to + 1
    }
}

impl Run {
    /// The next bytes, at most so many.
    async fn next(&mut self, most: u64) -> Result<Bytes, Failed> {
        while self.ahead.is_empty() {
            match fill::next(&mut self.body, true).await {
                fill::Next::Frame(frame) => self.ahead = frame.into_data().unwrap_or_default(),
                fill::Next::Broken(error) => return Err(Failed::Broken(error)),
                fill::Next::End | fill::Next::Stalled => return Err(Failed::CutOff),
            }
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.ahead.split_to(self.ahead.len().min(most)))
    }
}

/// What an answer that does not bring the slices means. A failure, or what this one client is told,
/// says nothing about what is stored.
fn refused(status: StatusCode) -> Failed {
    let of_the_client = matches!(status.as_u16(), 401 | 403 | 407 | 408 | 425 | 429);
    if status.is_server_error() || of_the_client {
        Failed::Refused(status)
    } else {
        Failed::OtherVersion(status)
    }
}
