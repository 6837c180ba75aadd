// Plays the sounds of a page, one at a time, and knows how much of each was heard.
"use strict";

class Player {
  // sounds: [{address, seconds}]; heard: seconds heard before; changed() is called when something may look different.
  constructor(sounds, heard, changed, failed) {
    this.changed = changed;
    this.sounds = sounds.map((sound, place) => {
      const audio = new Audio();
      audio.preload = "auto";
      audio.src = sound.address;
      const one = { audio, seconds: sound.seconds, before: heard[place] || 0, ended: 0 };
      audio.addEventListener("timeupdate", changed);
      audio.addEventListener("play", changed);
      audio.addEventListener("pause", changed);
      audio.addEventListener("ended", () => { one.before = one.seconds; one.ended = performance.now(); changed(); });
      audio.addEventListener("error", failed);
      return one;
    });
  }

  // Seconds of a sound that were heard: at most its length.
  heard(place) {
    const { audio, seconds, before } = this.sounds[place];
    let played = 0;
    for (let at = 0; at < audio.played.length; at++) played += audio.played.end(at) - audio.played.start(at);
    return Math.min(seconds, Math.max(before, played));
  }

  whole(place) {
    const { seconds } = this.sounds[place];
    return this.heard(place) >= seconds - Math.min(0.3, seconds / 4);
  }

  get allWhole() { return this.sounds.every((_, place) => this.whole(place)); }

  playing(place) { const { audio } = this.sounds[place]; return !audio.paused && !audio.ended; }

  // Play a sound from its beginning, or from where it was paused; pause it where it plays.
  toggle(place) {
    const audio = this.sounds[place].audio;
    if (this.playing(place)) { audio.pause(); return; }
    this.stop();
    audio.play().catch(() => this.changed());
  }

  stop() { for (const { audio } of this.sounds) audio.pause(); }

  // Seconds since the last sound ended, or null where none has.
  get sinceEnd() {
    const last = Math.max(...this.sounds.map((one) => one.ended));
    return last > 0 ? Math.max(0, (performance.now() - last) / 1000) : null;
  }
}
