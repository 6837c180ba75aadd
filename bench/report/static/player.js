'use strict';
/**
 * Plays one of several clips at a time, and passes the position on when another takes over. Its events: `change`, and
 * `problem` with the error that a clip does not play for.
 */
tunebench.Player = class Player extends EventTarget {
  /** In seconds before its end: where a clip that is playing is moved to at most, two FLAC frames at 16 kHz. */
  static LAST_PLACE = 0.5;

  /** @param {{audio: HTMLAudioElement, duration: number}[]} clips one of them plays at a time */
  constructor(clips) {
    super();
    this.clips = clips;
    this.current = null;
    this.resting = 0;
    this.turn = 0;
    this.loop = false;
    this.wanted = false;
    this.retried = false;
    for (const clip of clips) {
      clip.audio.addEventListener('ended', () => {
        if (clip === this.current) this.resting = clip.duration;
        this.changed();
      });
      clip.audio.addEventListener('error', () => this.failed(clip));
      for (const event of ['play', 'pause', 'seeked']) clip.audio.addEventListener(event, () => this.changed());
    }
  }

  get playing() {
    const audio = this.current?.audio;
    return Boolean(audio && !audio.paused && !audio.ended && !audio.error);
  }

  /** Seconds from the beginning; what another clip would start at. */
  get position() {
    return this.playing ? this.current.audio.currentTime : this.resting;
  }

  get duration() {
    return this.current?.duration ?? Math.max(0, ...this.clips.map((clip) => clip.duration));
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  /** Play a clip from where the last one is; resolves when it sounds. */
  play(clip, neighbours = []) {
    this.retried = false;
    return this.begin(clip, neighbours);
  }

  async begin(clip, neighbours = []) {
    const mine = ++this.turn;
    const switched = clip !== this.current;
    this.hold();
    this.current = clip;
    this.wanted = true;
    if (this.resting >= clip.duration - 0.05) this.resting = 0;
    if (switched) this.changed();
    try {
      await Player.ready(clip);
      if (mine !== this.turn) return;
      clip.audio.loop = this.loop;
      if (Math.abs(clip.audio.currentTime - this.resting) > 0.005) clip.audio.currentTime = this.resting;
      await clip.audio.play();
      // The others come while this one sounds, so that switching does not wait.
      for (const other of neighbours) Player.ready(other).catch(() => {});
    } catch (problem) {
      // Of an error of the clip itself, `failed` is told.
      if (mine === this.turn && problem.name !== 'AbortError' && !clip.audio.error) this.giveUp(problem);
    }
  }

  /**
   * A clip's error stays until it is loaded again. Chromium fails on a second seek into the last frames of a FLAC
   * file, a whole one too, and goes on after a load: so try once more before that is a problem.
   */
  failed(clip) {
    clip.ready = null;
    if (clip !== this.current || !this.wanted) return;
    const { audio } = clip;
    if (audio.readyState >= HTMLMediaElement.HAVE_METADATA) this.resting = audio.currentTime;
    if (this.retried || !audio.readyState) this.giveUp(new Error(audio.error.message || 'the clip does not load'));
    else {
      this.retried = true;
      this.begin(clip);
    }
  }

  giveUp(problem) {
    this.hold();
    this.changed();
    this.dispatchEvent(new CustomEvent('problem', { detail: problem }));
  }

  /** Stop, and keep the position. */
  hold() {
    this.wanted = false;
    if (!this.current) return;
    this.resting = this.position;
    this.current.audio.pause();
  }

  pause() {
    this.turn += 1;
    this.hold();
    this.changed();
  }

  seek(seconds) {
    this.resting = Math.min(Math.max(0, seconds), this.duration);
    this.retried = false;
    const last = Math.max(0, (this.current?.duration ?? 0) - Player.LAST_PLACE);
    if (this.playing) this.current.audio.currentTime = Math.min(this.resting, last);
    this.changed();
  }

  setLoop(on) {
    this.loop = on;
    if (this.current) this.current.audio.loop = on;
  }

  /** Load what is needed to start anywhere in the clip. */
  static ready(clip) {
    clip.ready ??= Player.metadata(clip.audio).then(() => Player.seekable(clip)).catch((problem) => {
      clip.ready = null;
      throw problem;
    });
    return clip.ready;
  }

  static metadata(audio) {
    if (audio.readyState >= HTMLMediaElement.HAVE_METADATA && !audio.error) return Promise.resolve();
    return new Promise((resolve, reject) => {
      audio.addEventListener('loadedmetadata', resolve, { once: true });
      audio.addEventListener('error', () => reject(new Error(audio.error?.message || 'the clip does not load')), { once: true });
      audio.preload = 'auto';
      audio.load();
    });
  }

  /** Some web servers send no parts of a file, and then a clip cannot start in its middle: play a copy in memory. */
  static async seekable(clip) {
    const { audio } = clip;
    const { seekable } = audio;
    if (location.protocol === 'file:' || (seekable.length && seekable.end(seekable.length - 1) > audio.duration - 0.5)) return;
    const answer = await fetch(audio.currentSrc);
    audio.src = URL.createObjectURL(await answer.blob());
    await Player.metadata(audio);
  }
};
