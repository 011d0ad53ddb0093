// SPDX-License-Identifier: LGPL-2.1-or-later
// One track on the page: its picture or level, its figures, and what one can do with it.
'use strict';

class Tile {
  constructor(track, publication, participant) {
    const { Track } = window.LivekitClient;

    this.track = track;
    this.publication = publication;
    this.isVideo = track.kind === Track.Kind.Video;
    this.isPaused = false;
    this.last = null;  // the report of a second ago
    const template = document.getElementById(this.isVideo ? 'video-tile' : 'audio-tile');
    const who = participant.name || participant.identity;

    this.root = template.content.cloneNode(true).firstElementChild;
    this.find('.who').textContent = `${who} · ${publication.trackName || publication.source}`;
    if (this.isVideo) {
      this.addPicture();
    } else {
      this.root.append(track.attach());
      this.find('.mute').addEventListener('click', () => this.toggleMute());
    }
    this.showMuted();
    document.getElementById(this.isVideo ? 'videos' : 'audios').append(this.root);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  addPicture() {
    this.video = this.track.attach();
    this.video.addEventListener('dblclick', () => this.goFull());
    this.find('.picture').prepend(this.video);
    this.find('.quality').addEventListener('change', (event) => this.chooseQuality(event.target.value));
    this.find('.pause').addEventListener('click', () => this.togglePause());
    this.find('.full').addEventListener('click', () => this.goFull());
  }

  // "Auto" is what fits the size on the page; anything else is asked for as it is, as long as the size allows it.
  chooseQuality(name) {
    const { VideoQuality } = window.LivekitClient;

    this.publication.setVideoQuality(VideoQuality[name === 'auto' ? 'HIGH' : name]);
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    this.publication.setEnabled(!this.isPaused);
    this.press('.pause', this.isPaused, 'Go on', 'Pause');
    this.showMuted();
  }

  toggleMute() {
    const isMuted = this.track.getVolume() > 0;

    this.track.setVolume(isMuted ? 0 : 1);
    this.press('.mute', isMuted, 'Unmute', 'Mute');
  }

  press(selector, isPressed, textPressed, text) {
    const button = this.find(selector);

    button.setAttribute('aria-pressed', String(isPressed));
    button.textContent = isPressed ? textPressed : text;
  }

  // Phones of Apple show a video alone in full screen, nothing else.
  goFull() {
    if (document.fullscreenElement) {
      document.exitFullscreen();
    } else if (this.root.requestFullscreen) {
      this.find('.picture').requestFullscreen().catch(() => {});
    } else {
      this.video.webkitEnterFullscreen?.();
    }
  }

  showMuted() {
    const note = this.find('.note');

    if (note) {
      note.hidden = !this.publication.isMuted && !this.isPaused;
      note.textContent = this.publication.isMuted ? 'No picture: muted by the sender' : 'Paused';
    }
  }

  async update() {
    for (const report of (await this.track.getRTCStatsReport())?.values() ?? []) {
      if (report.type === 'inbound-rtp') {
        this.showFigures(report, this.rateOf(report));
        this.last = report;
      }
    }
  }

  // Bits of a second.
  rateOf(report) {
    const seconds = this.last ? (report.timestamp - this.last.timestamp) / 1000 : 0;

    return seconds > 0 ? (8 * (report.bytesReceived - this.last.bytesReceived)) / seconds : 0;
  }

  showFigures(report, rate) {
    const parts = [rate >= 1e6 ? `${(rate / 1e6).toFixed(1)} Mbit/s` : `${Math.round(rate / 1000)} kbit/s`];

    if (this.isVideo) {
      const rounded = Math.round(report.framesPerSecond ?? 0);

      parts.unshift(`${report.frameWidth ?? 0}×${report.frameHeight ?? 0}`, `${rounded} frames/s`);
    } else {
      this.find('.level').value = report.audioLevel ?? 0;
    }
    if (report.packetsLost > 0) {
      parts.push(`${report.packetsLost} lost`);
    }
    this.find('.figures').textContent = parts.join(' · ');
  }

  remove() {
    this.track.detach().forEach((element) => element.remove());
    this.root.remove();
  }
}

window.Tile = Tile;
