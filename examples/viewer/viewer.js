// SPDX-License-Identifier: LGPL-2.1-or-later
// Joins a room with livekit-client and shows its tracks. ?room=NAME&name=NAME joins at once.
'use strict';

const { Room, RoomEvent, Track } = window.LivekitClient;
const tiles = new Map();  // sid of a track -> Tile
let room = null;
let isJoining = false;  // a second press of the button would be a second viewer

function element(id) {
  return document.getElementById(id);
}

function showState(text) {
  element('state').textContent = text;
}

function showRoom() {
  const isIn = room !== null;

  element('entry').hidden = isIn;
  element('leave').hidden = !isIn;
  element('empty').hidden = !isIn || tiles.size > 0;
  element('sound').hidden = !isIn || room.canPlaybackAudio || ![...tiles.values()].some((tile) => !tile.isVideo);
  element('title').textContent = isIn ? room.name : 'Viewer';
  document.title = isIn ? `${room.name} – Viewer` : 'Viewer';
}

// The token comes by a request of this page, so that none is ever part of a link. No crypto.randomUUID(): it is
// there for pages by HTTPS alone.
async function askForToken(roomName, name) {
  const random = crypto.getRandomValues(new Uint32Array(2));
  const answer = await fetch('token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      room_name: roomName,
      participant_identity: `viewer-${[...random].map((part) => part.toString(36)).join('')}`,
      participant_name: name,
    }),
  });

  if (!answer.ok) {
    throw new Error((await answer.text()).trim());
  }
  return answer.json();
}

function addTrack(track, publication, participant) {
  tiles.set(track.sid, new window.Tile(track, publication, participant));
  showRoom();
}

function removeTrack(track) {
  tiles.get(track.sid)?.remove();
  tiles.delete(track.sid);
  showRoom();
}

function showMuted(publication) {
  tiles.get(publication.trackSid)?.showMuted();
}

function makeRoom() {
  const made = new Room({ adaptiveStream: { pixelDensity: 'screen' } });

  made.on(RoomEvent.TrackSubscribed, addTrack);
  made.on(RoomEvent.TrackUnsubscribed, removeTrack);
  made.on(RoomEvent.TrackMuted, showMuted);
  made.on(RoomEvent.TrackUnmuted, showMuted);
  made.on(RoomEvent.ConnectionStateChanged, showState);
  made.on(RoomEvent.AudioPlaybackStatusChanged, showRoom);
  made.on(RoomEvent.Disconnected, leave);
  return made;
}

function leave() {
  const left = room;

  room = null;
  tiles.forEach((tile) => tile.remove());
  tiles.clear();
  left?.disconnect();
  showRoom();
}

async function join(roomName, name) {
  if (isJoining || room) {
    return;
  }
  isJoining = true;
  showState('joining …');
  try {
    const { server_url: url, participant_token: token } = await askForToken(roomName, name);
    const made = makeRoom();

    await made.connect(url, token);
    room = made;
    history.replaceState(null, '', `?${new URLSearchParams({ room: roomName, ...(name && { name }) })}`);
    showRoom();
  } catch (error) {
    leave();
    showState(`cannot join: ${error.message}`);
  } finally {
    isJoining = false;
  }
}

function start() {
  const query = new URLSearchParams(window.location.search);

  element('room').value = query.get('room') ?? '';
  element('name').value = query.get('name') ?? '';
  element('entry').addEventListener('submit', (event) => {
    event.preventDefault();
    join(element('room').value.trim(), element('name').value.trim());
  });
  element('leave').addEventListener('click', leave);
  element('sound').addEventListener('click', () => room?.startAudio());
  window.setInterval(() => tiles.forEach((tile) => tile.update()), 1000);
  if (query.get('room')) {
    join(query.get('room'), query.get('name') ?? '');
  }
}

start();
