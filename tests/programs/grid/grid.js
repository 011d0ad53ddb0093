// SPDX-License-Identifier: LGPL-2.1-or-later
// Joins the rooms of many cameras, shows them in a grid, and measures when each has a picture, and how old it is.
'use strict';

const { Room, RoomEvent, Track, setLogLevel } = window.LivekitClient;

// Lines of the console go to the test through the debugger.
setLogLevel('warn');

const N_BLOCKS = 32;
const MARK_MODULUS = 0x1000000;
const canvas = document.createElement('canvas');
const context = canvas.getContext('2d', { willReadFrequently: true });
const cameras = new Map();  // id -> what is known of it
let started = 0;

// The mark of examples/framemark.c: a number in 24 blocks along the top edge, and 8 of a checksum.
function readMark(video) {
  const size = Math.floor(video.videoWidth / N_BLOCKS);
  const row = Math.floor(Math.max(size, 16) / 2);

  canvas.width = video.videoWidth;
  canvas.height = row + 1;
  context.drawImage(video, 0, 0);
  const { data } = context.getImageData(0, row, canvas.width, 1);
  let bits = 0;

  for (let block = 0; block < N_BLOCKS; block += 1) {
    let sum = 0;
    let n = 0;

    for (let x = Math.floor(size / 4); x < Math.floor((size * 3) / 4); x += 1, n += 1) {
      sum += data[(block * size + x) * 4 + 1];
    }
    if (sum > n * 125) {
      bits += 2 ** block;
    }
  }
  const number = bits % MARK_MODULUS;
  const seal = (Math.imul(number + 1, 2654435761 | 0) >>> 24);

  return Math.floor(bits / MARK_MODULUS) === seal ? number : null;
}

function watchFrames(camera, now) {
  camera.first ??= now - started;
  camera.frames += 1;
  camera.last = performance.now();
  if (camera.reads) {
    const mark = readMark(camera.video);

    if (mark !== null) {
      camera.ages.push((((Date.now() - mark) % MARK_MODULUS) + MARK_MODULUS) % MARK_MODULUS);
    }
  }
  camera.video.requestVideoFrameCallback((next) => watchFrames(camera, next));
}

function show(camera, track) {
  camera.video.srcObject = null;
  track.attach(camera.video);
  camera.video.requestVideoFrameCallback((now) => watchFrames(camera, now));
}

function addCamera(id) {
  const figure = document.createElement('figure');
  const video = document.createElement('video');

  video.muted = true;
  video.autoplay = true;
  figure.append(video, id);
  document.getElementById('grid').append(figure);
  const camera = { video, reads: false, first: null, frames: 0, last: null, ages: [], room: null };

  cameras.set(id, camera);
  return camera;
}

async function join({ id, url, token }) {
  const camera = addCamera(id);

  camera.room = new Room({ adaptiveStream: false, dynacast: false });
  camera.room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === Track.Kind.Video) {
      show(camera, track);
    }
  });
  await camera.room.connect(url, token);
}

// list: [{ id, url, token }]; joins a few at a time, and resolves when all rooms are joined.
window.joinAll = async (list, atOnce = 5) => {
  const rest = [...list];

  started = performance.now();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (rest.length) {
      await join(rest.shift());
    }
  }));
  return performance.now() - started;
};

// How far the colours of the middle are from grey, 0 to 255: a picture that is lost is grey, green or black.
function colourOf(video) {
  canvas.width = 64;
  canvas.height = 36;
  context.drawImage(video, 0, 0, 64, 36);
  const { data } = context.getImageData(0, 0, 64, 36);
  let most = 0;

  for (let i = 0; i < data.length; i += 4) {
    const spread = Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);

    most = Math.max(most, spread);
  }
  return most;
}

window.grid = async () => [...cameras].map(([id, camera]) => ({
  id,
  first: camera.first,
  frames: camera.frames,
  idle: camera.last === null ? null : performance.now() - camera.last,
  width: camera.video.videoWidth,
  height: camera.video.videoHeight,
  colour: camera.video.videoWidth ? colourOf(camera.video) : 0,
}));

// How many have had a picture.
window.shown = async () => [...cameras.values()].filter((camera) => camera.first !== null).length;

// The ages of the pictures that were shown since the last call, in milliseconds. Reading them begins with the first.
window.ages = async (id) => {
  cameras.get(id).reads = true;
  return cameras.get(id).ages.splice(0);
};

window.leaveAll = async () => {
  await Promise.all([...cameras.values()].map((camera) => camera.room.disconnect()));
};
