// The page's words: texts in the page's language, their plural forms, numbers and times. Says the same as wording.py.
export class Words {
  // `dates` is the language as it is written where the buyer lives (en-GB), in which days are named.
  constructor(language, texts, dates = language) {
    this.texts = texts;
    // European digits everywhere, as place numbers are read out and typed.
    const latin = `${language}-u-nu-latn`;
    this.plural = new Intl.PluralRules(language);
    this.digits = new Intl.NumberFormat(latin, { maximumFractionDigits: 1 });
    this.clock = new Intl.DateTimeFormat(latin, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    this.day = new Intl.DateTimeFormat(`${dates}-u-nu-latn`, {
      weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });
  }

  text(key, values = {}) {
    return this.texts[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  count(key, number, values = {}) {
    const forms = this.texts[key];
    const form = forms[this.plural.select(number)] ?? forms.other;
    return form.replace(/\{(\w+)\}/g, (whole, name) => (name === "n" ? this.number(number) : values[name] ?? whole));
  }

  number(number) { return this.digits.format(number); }

  time(unix) { return this.clock.format(unix * 1000); }

  moment(unix) { return this.day.format(unix * 1000); }

  // A range of seconds in whole minutes, in half hours or hours where it is long; rounded outwards.
  wait([low, high]) {
    const from = Math.floor(low / 60), to = Math.max(1, Math.ceil(high / 60));
    if (to < 120 && from < 1) return this.count("wait.soon", to);
    if (to < 120) return this.count("wait.minutes", Math.max(to, from + 1), { low: this.number(from) });
    const step = high < 36_000 ? 0.5 : 1;
    const fromHours = Math.floor(low / 3600 / step) * step;
    const toHours = Math.max(Math.ceil(high / 3600 / step) * step, fromHours + step);
    if (fromHours <= 0) return this.count("wait.within_hours", toHours);
    return this.count("wait.hours", toHours, { low: this.number(fromHours) });
  }

  // As people read it: whole numbers, tenths below ten.
  perMinute(perSecond) {
    const perMinute = perSecond * 60;
    if (perMinute >= 10) return Math.floor(perMinute + 0.5);
    return perSecond > 0 ? Math.max(0.1, Math.floor(perMinute * 10 + 0.5) / 10) : 0;
  }

  pace(perSecond) {
    return perSecond > 0 ? this.count("pace.minute", this.perMinute(perSecond)) : this.text("slow.stopped");
  }

  // Why the line is slow; a cause of which we know no words is just slower.
  slow(reason) {
    let key = `slow.${reason.code}`;
    if (!(key in this.texts)) key = reason.rate_per_s === undefined ? "slow.stopped" : "slow.slower";
    return this.text(key, {
      reason: reason.reason ?? "",
      rate: this.number(this.perMinute(reason.rate_per_s ?? 0)),
      usual: this.number(this.perMinute(reason.usual_per_s ?? 0)),
      ready: this.number(reason.ready ?? 0),
      usual_ready: this.number(reason.usual_ready ?? 0),
    });
  }

  countdown(seconds) {
    const left = Math.max(0, Math.ceil(seconds));
    const days = Math.floor(left / 86400), hours = Math.floor(left / 3600) % 24;
    const two = (number) => String(number).padStart(2, "0");
    const clock = `${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
    if (days) return `${this.count("countdown.days", days)} \u2066${two(hours)}:${clock}\u2069`;
    return `\u2066${hours ? `${hours}:` : ""}${clock}\u2069`;
  }
}
