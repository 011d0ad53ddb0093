// SPDX-License-Identifier: LGPL-2.1-or-later
// Joins a room as a viewer and shows every track, with its size, frame rate and losses.
'use strict';

const { Room, RoomEvent, Track } = window.LivekitClient;
const room = new Room();
const captions = new Map();  // remote track -> the element for its figures

function show(id, text) {
  document.getElementById(id).textContent = text;
}

// The token comes by a request of this page, so that none is ever part of a link.
async function askForToken() {
  const identity = `viewer-${crypto.randomUUID().slice(0, 8)}`;
  const answer = await fetch('token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ participant_identity: identity }),
  });

  if (!answer.ok) {
    throw new Error(await answer.text());
  }
  return answer.json();
}

function addTrack(track, publication, participant) {
  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  const figures = document.createElement('span');

  const who = participant.name || participant.identity;

  caption.append(`${who} · ${publication.trackName || publication.source} `, figures);
  figure.append(track.attach(), caption);
  document.getElementById('tracks').append(figure);
  captions.set(track, figures);
}

function removeTrack(track) {
  captions.get(track)?.closest('figure').remove();
  captions.delete(track);
  track.detach();
}

async function updateFigures() {
  for (const [track, figures] of captions) {
    for (const report of (await track.getRTCStatsReport())?.values() ?? []) {
      if (report.type === 'inbound-rtp') {
        const lost = `${report.packetsLost ?? 0} packets lost`;

        figures.textContent = track.kind === Track.Kind.Video
          ? `${report.frameWidth ?? 0}×${report.frameHeight ?? 0}, ${report.framesPerSecond ?? 0} frames/s, ${lost}`
          : `sound, level ${(report.audioLevel ?? 0).toFixed(2)}, ${lost}`;
      }
    }
  }
}

async function start() {
  const sound = document.getElementById('sound');

  room.on(RoomEvent.TrackSubscribed, addTrack);
  room.on(RoomEvent.TrackUnsubscribed, removeTrack);
  room.on(RoomEvent.ConnectionStateChanged, (state) => show('state', state));
  room.on(RoomEvent.Disconnected, (reason) => show('state', `disconnected (${reason ?? 'no reason given'})`));
  room.on(RoomEvent.AudioPlaybackStatusChanged, () => { sound.hidden = room.canPlaybackAudio; });
  sound.addEventListener('click', () => room.startAudio());

  const { server_url: url, participant_token: token } = await askForToken();

  await room.connect(url, token);
  show('room', `Room ${room.name}`);
  document.title = room.name;
  window.setInterval(updateFigures, 1000);
}

start().catch((error) => show('state', `cannot join: ${error.message}`));
