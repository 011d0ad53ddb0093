// SPDX-License-Identifier: LGPL-2.1-or-later
// The browser's part in the live tests: joins a room, shows and measures what arrives, publishes camera and microphone.
'use strict';

const { Room, RoomEvent, Track, VideoQuality, createLocalTracks } = window.LivekitClient;

const seen = new Map();  // track sid -> { track, publication, participant, firstFrame }
let room = null;
let joined = 0;
const errors = [];

window.addEventListener('error', (event) => errors.push(String(event.message)));
window.addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)));

function attach(track, publication, participant) {
  const entry = { track, publication, participant, subscribed: performance.now() - joined, firstFrame: null };
  const element = track.attach();

  seen.set(track.sid, entry);
  if (track.kind === Track.Kind.Video) {
    element.requestVideoFrameCallback((now) => { entry.firstFrame = now - joined; });
    document.getElementById('media').append(element);
  }
}

window.join = async (url, token, options = {}) => {
  room = new Room({ adaptiveStream: false, dynacast: false, ...options });
  room.on(RoomEvent.TrackSubscribed, attach);
  room.on(RoomEvent.TrackUnsubscribed, (track) => {
    track.detach().forEach((element) => element.remove());
    seen.delete(track.sid);
  });
  room.on(RoomEvent.TrackSubscriptionFailed, (sid) => errors.push(`subscription failed: ${sid}`));
  joined = performance.now();
  await room.connect(url, token);
  return { connected: performance.now() - joined, identity: room.localParticipant.identity };
};

window.leave = async () => {
  await room.disconnect();
  return errors;
};

async function measureVideo(entry, result) {
  const video = entry.track.attachedElements[0];

  for (const report of (await entry.track.receiver.getStats()).values()) {
    if (report.type === 'inbound-rtp') {
      Object.assign(result, {
        frames: report.framesDecoded || 0, keyFrames: report.keyFramesDecoded || 0, dropped: report.framesDropped || 0,
        fps: report.framesPerSecond || 0, freezes: report.freezeCount || 0, lost: report.packetsLost || 0,
        plis: report.pliCount || 0, decodeSeconds: report.totalDecodeTime || 0,
      });
    }
  }
  Object.assign(result, { width: video.videoWidth, height: video.videoHeight, firstFrame: entry.firstFrame });
}

async function measureAudio(entry, result) {
  for (const report of (await entry.track.receiver.getStats()).values()) {
    if (report.type === 'inbound-rtp') {
      Object.assign(result, {
        samples: report.totalSamplesReceived || 0, concealed: report.concealedSamples || 0,
        silentConcealed: report.silentConcealedSamples || 0, level: report.audioLevel || 0,
        energy: report.totalAudioEnergy || 0, seconds: report.totalSamplesDuration || 0, lost: report.packetsLost || 0,
        discarded: report.packetsDiscarded || 0,
      });
    }
  }
}

// One object for each subscribed track, with the time of the measurement in milliseconds since the join.
window.measure = async () => {
  const results = [];

  for (const [sid, entry] of seen) {
    const result = {
      sid, kind: entry.track.kind, name: entry.publication.trackName, source: entry.publication.source,
      muted: entry.publication.isMuted, mime: entry.publication.mimeType, identity: entry.participant.identity,
      subscribed: entry.subscribed,
    };

    await (entry.track.kind === Track.Kind.Video ? measureVideo : measureAudio)(entry, result);
    results.push({ ...result, at: performance.now() - joined });
  }
  return { tracks: results, errors };
};

// Asks for a quality ('LOW', 'MEDIUM', 'HIGH') of all video tracks.
window.quality = async (name) => {
  for (const { publication } of seen.values()) {
    if (publication.kind === Track.Kind.Video) {
      publication.setVideoQuality(VideoQuality[name]);
    }
  }
};

// Watches the video tracks, or does not.
window.watch = async (enabled) => {
  for (const participant of room.remoteParticipants.values()) {
    for (const publication of participant.trackPublications.values()) {
      if (publication.kind === Track.Kind.Video) {
        publication.setSubscribed(enabled);
      }
    }
  }
};

// Publishes the (fake) camera and microphone; resolves when both are published.
window.publish = async ({
  codec = 'vp8', width = 640, height = 480, fps = 30, audio = true, video = true, ...more
} = {}) => {
  const tracks = await createLocalTracks({
    audio, video: video && { resolution: { width, height, frameRate: fps } },
  });

  for (const track of tracks) {
    await room.localParticipant.publishTrack(track, {
      simulcast: false, videoCodec: codec, red: false, dtx: false, ...more,
    });
  }
  return tracks.map((track) => ({ sid: track.sid, kind: track.kind }));
};

// What was sent so far, by kind.
window.sent = async () => {
  const result = {};

  for (const publication of room.localParticipant.trackPublications.values()) {
    const reports = publication.track.sender ? (await publication.track.sender.getStats()).values() : [];

    for (const report of reports) {
      if (report.type === 'outbound-rtp') {
        result[publication.kind] = {
          packets: report.packetsSent, frames: report.framesEncoded || 0, size: [report.frameWidth, report.frameHeight],
        };
      }
    }
  }
  return result;
};

const records = [];

// From now on, every 100 ms: what the estimator allows (bit/s), what was sent so far, and by rid what each layer may
// use (bit/s; 0: it is off) and its frames so far.
window.record = () => {
  const { sender } = [...room.localParticipant.videoTrackPublications.values()][0].track;

  setInterval(async () => {
    const record = { at: performance.timeOrigin + performance.now(), allowed: 0, bytes: 0, layers: {}, reason: 'none' };

    for (const report of (await sender.getStats()).values()) {
      if (report.type === 'candidate-pair' && report.availableOutgoingBitrate) {
        record.allowed = report.availableOutgoingBitrate;
      } else if (report.type === 'outbound-rtp') {
        record.bytes += report.bytesSent + report.headerBytesSent;
        record.layers[report.rid || ''] = [report.targetBitrate || 0, report.framesSent || 0];
        record.reason = report.qualityLimitationReason !== 'none' ? report.qualityLimitationReason : record.reason;
      }
    }
    records.push(record);
  }, 100);
};

// What was recorded since this was called last. Times are milliseconds of the wall clock.
window.recorded = () => records.splice(0);

const shownTimes = [];

function watchFrames(element) {
  element.requestVideoFrameCallback((now, metadata) => {
    shownTimes.push(performance.timeOrigin + metadata.presentationTime);
    watchFrames(element);
  });
}

// From now on notes when frames are shown.
window.show = () => {
  for (const { track } of seen.values()) {
    if (track.kind === Track.Kind.Video) {
      watchFrames(track.attachedElements[0]);
    }
  }
};

// When frames were shown, in milliseconds of the wall clock.
window.shown = () => shownTimes;

window.unpublish = async () => {
  const publications = [...room.localParticipant.trackPublications.values()];

  await room.localParticipant.unpublishTracks(publications.map((publication) => publication.track));
  return publications.length;
};

window.mute = async (kind, muted) => {
  for (const publication of room.localParticipant.trackPublications.values()) {
    if (publication.kind === kind) {
      await (muted ? publication.mute() : publication.unmute());
    }
  }
};
