/*
** lib_time.c - Time: clocks, and the calendar. A point in time is an i64: microseconds since 1970-01-01T00:00:00Z. The
** calendar is the Gregorian one, before its invention too; days have 86400 seconds; texts are in UTC.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include <math.h>

#define SECOND ((int64_t)1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* ---- Calendar ----------------------------------------------------------------------------------------------- */

typedef struct date_parts {
    int64_t year;
    int month, day, hour, minute, second, micro; /* month and day from 1 */
} date_parts;

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }
static int64_t floor_rest(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

static bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static int days_in_month(int64_t year, int month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days before the first of January of a year, since 1970. */
static int64_t days_before_year(int64_t year) {
    int64_t y = year - 1;
    return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 719162;
}

static int day_of_year(int64_t year, int month, int day) {
    for (int m = 1; m < month; m++) day += days_in_month(year, m);
    return day;
}

static int64_t days_of(int64_t year, int month, int day) {
    return days_before_year(year) + day_of_year(year, month, day) - 1;
}

static date_parts parts_of(int64_t time) {
    int64_t days = floor_div(time, DAY), rest = floor_rest(time, DAY);
    int64_t year = 1970 + floor_div(days * 400, 146097); /* at most one off */
    while (days_before_year(year) > days) year--;
    while (days_before_year(year + 1) <= days) year++;
    int day = (int)(days - days_before_year(year)) + 1, month = 1;
    while (day > days_in_month(year, month)) day -= days_in_month(year, month++);
    return (date_parts){year,
                        month,
                        day,
                        (int)(rest / HOUR),
                        (int)(rest / MINUTE % 60),
                        (int)(rest / SECOND % 60),
                        (int)(rest % SECOND)};
}

/* Monday is 1, Sunday 7. */
static int weekday_of(int64_t days) { return (int)floor_rest(days + 3, 7) + 1; }

/* The year and week of ISO 8601: weeks start on Monday, and belong to the year that has their Thursday. */
static int iso_week(int64_t days, int64_t *year) {
    int64_t thursday = days + 4 - weekday_of(days);
    *year = parts_of(thursday * DAY).year;
    return (int)((thursday - days_before_year(*year)) / 7) + 1;
}

/* i64 microseconds reach some 292000 years each way. */
enum { YEAR_MAX = 290000 };

static bool time_of(const date_parts *p, int64_t *out) {
    if (p->year < -YEAR_MAX || p->year > YEAR_MAX || p->month < 1 || p->month > 12 || p->day < 1 ||
        p->day > days_in_month(p->year, p->month))
        return false;
    if (p->hour < 0 || p->hour > 23 || p->minute < 0 || p->minute > 59 || p->second < 0 || p->second > 59) return false;
    *out =
        days_of(p->year, p->month, p->day) * DAY + p->hour * HOUR + p->minute * MINUTE + p->second * SECOND + p->micro;
    return true;
}

static bool in_range(int64_t time) { return time >= -9000000000000000000 && time <= 9000000000000000000; }

static th_step out_of_range(th_machine *m) { return th_machine_trap(m, TH_E_ARGUMENT, "a time out of range"); }

/* ---- Clocks ------------------------------------------------------------------------------------------------- */

static th_step time_now(th_machine *m, th_call *call) {
    (void)m;
    int64_t micros = th_clock_unix_ns() / 1000;
    return done_f64(call, (double)micros / 1e6);
}

static th_step time_now_micros(th_machine *m, th_call *call) {
    (void)m;
    return done(call, (uint64_t)(th_clock_unix_ns() / 1000));
}

static th_step time_monotonic(th_machine *m, th_call *call) {
    (void)m;
    return done_f64(call, (double)th_clock_monotonic_ns() / 1e9);
}

/* ---- Parts -------------------------------------------------------------------------------------------------- */

#define PART(name, expression)                                                                                         \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        int64_t time = arg_i64(call, 0), days = floor_div(time, DAY);                                                  \
        date_parts p = parts_of(time);                                                                                 \
        (void)m;                                                                                                       \
        (void)p;                                                                                                       \
        (void)days;                                                                                                    \
        return done(call, (uint64_t)(int64_t)(expression));                                                            \
    }
PART(time_year, p.year)
PART(time_month, p.month)
PART(time_day, p.day)
PART(time_hour, p.hour)
PART(time_minute, p.minute)
PART(time_second, p.second)
PART(time_microsecond, p.micro)
PART(time_weekday, weekday_of(days))
PART(time_day_of_year, day_of_year(p.year, p.month, p.day))
PART(time_week, iso_week(days, &days))
PART(time_is_leap_year, is_leap(p.year))
PART(time_start_of_day, days *DAY)
PART(time_start_of_month, days_of(p.year, p.month, 1) * DAY)
PART(time_start_of_year, days_before_year(p.year) * DAY)
PART(time_start_of_week, (days - weekday_of(days) + 1) * DAY)

static th_step time_parts(th_machine *m, th_call *call) {
    static const char *const names[] = {"year",   "month",       "day",     "hour",       "minute",
                                        "second", "microsecond", "weekday", "day_of_year"};
    int64_t time = arg_i64(call, 0);
    date_parts p = parts_of(time);
    int64_t values[] = {p.year,
                        p.month,
                        p.day,
                        p.hour,
                        p.minute,
                        p.second,
                        p.micro,
                        weekday_of(floor_div(time, DAY)),
                        day_of_year(p.year, p.month, p.day)};
    CHARGE(m, 64);
    th_dict *dict = th_new_dict(m, result_type(m, call), TH_COUNT(names));
    for (size_t i = 0; dict && i < TH_COUNT(names); i++) {
        th_str *name = th_new_str_of(m, names[i], strlen(names[i]));
        if (!name || !th_dict_set(m, dict, th_ptr_word(name), (uint64_t)values[i])) return TH_STEP_ERROR;
    }
    return done_ptr(call, dict);
}

static bool fits_int(int64_t x) { return x >= -1000000 && x <= 1000000; }

static th_step make_time(th_machine *m, th_call *call, size_t n) {
    int64_t v[6] = {0, 0, 0, 0, 0, 0}, time;
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        v[i] = arg_i64(call, i);
        good = good && fits_int(v[i]);
    }
    date_parts p = {good ? v[0] : 0, (int)v[1], (int)v[2], (int)v[3], (int)v[4], (int)v[5], 0};
    if (good && time_of(&p, &time)) return done(call, (uint64_t)time);
    return th_machine_trap(m, TH_E_ARGUMENT, "there is no time %lld-%02lld-%02lld %02lld:%02lld:%02lld",
                           (long long)v[0], (long long)v[1], (long long)v[2], (long long)v[3], (long long)v[4],
                           (long long)v[5]);
}

static th_step time_date(th_machine *m, th_call *call) { return make_time(m, call, 3); }
static th_step time_date_time(th_machine *m, th_call *call) { return make_time(m, call, 6); }

/* ---- Reckoning ---------------------------------------------------------------------------------------------- */

static th_step add_units(th_machine *m, th_call *call, int64_t unit) {
    int64_t span, time;
    if (__builtin_mul_overflow(arg_i64(call, 1), unit, &span) ||
        __builtin_add_overflow(arg_i64(call, 0), span, &time) || !in_range(time))
        return out_of_range(m);
    return done(call, (uint64_t)time);
}

static th_step time_add_days(th_machine *m, th_call *call) { return add_units(m, call, DAY); }
static th_step time_add_hours(th_machine *m, th_call *call) { return add_units(m, call, HOUR); }
static th_step time_add_minutes(th_machine *m, th_call *call) { return add_units(m, call, MINUTE); }

static th_step time_add_seconds(th_machine *m, th_call *call) {
    double micros = arg_f64(call, 1) * 1e6;
    int64_t time;
    if (!(fabs(micros) < 9e18) || __builtin_add_overflow(arg_i64(call, 0), (int64_t)llround(micros), &time) ||
        !in_range(time))
        return out_of_range(m);
    return done(call, (uint64_t)time);
}

static th_step time_add_months(th_machine *m, th_call *call) {
    int64_t time = arg_i64(call, 0), months = arg_i64(call, 1);
    date_parts p = parts_of(time);
    if (months > 12 * 2 * YEAR_MAX || months < -12 * 2 * (int64_t)YEAR_MAX) return out_of_range(m);
    int64_t month = p.year * 12 + p.month - 1 + months;
    p.year = floor_div(month, 12);
    p.month = (int)floor_rest(month, 12) + 1;
    if (p.year < -YEAR_MAX || p.year > YEAR_MAX) return out_of_range(m);
    if (p.day > days_in_month(p.year, p.month)) p.day = days_in_month(p.year, p.month);
    return time_of(&p, &time) ? done(call, (uint64_t)time) : out_of_range(m);
}

static th_step time_days_between(th_machine *m, th_call *call) {
    (void)m;
    return done(call, (uint64_t)(floor_div(arg_i64(call, 1), DAY) - floor_div(arg_i64(call, 0), DAY)));
}

static th_step time_seconds_between(th_machine *m, th_call *call) {
    (void)m;
    return done_f64(call, ((double)arg_i64(call, 1) - (double)arg_i64(call, 0)) / 1e6);
}

static th_step time_to_seconds(th_machine *m, th_call *call) {
    (void)m;
    return done_f64(call, (double)arg_i64(call, 0) / 1e6);
}

static th_step time_from_seconds(th_machine *m, th_call *call) {
    double micros = arg_f64(call, 0) * 1e6;
    if (!(fabs(micros) < 9e18)) return out_of_range(m);
    return done(call, (uint64_t)(int64_t)llround(micros));
}

/* ---- To text ------------------------------------------------------------------------------------------------ */

static const char *const month_names[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

static void put_year(th_buf *out, int64_t year) {
    th_buf_printf(out, year < 0 ? "-%04lld" : "%04lld", (long long)(year < 0 ? -year : year));
}

static void put_date(th_buf *out, const date_parts *p) {
    put_year(out, p->year);
    th_buf_printf(out, "-%02d-%02d", p->month, p->day);
}

/* One conversion; false: there is none of this letter. */
static bool put_conversion(th_buf *out, char letter, int64_t time, const date_parts *p) {
    int64_t days = floor_div(time, DAY), year = p->year;
    int weekday = weekday_of(days);
    switch (letter) {
    case 'Y': put_year(out, p->year); return true;
    case 'y': th_buf_printf(out, "%02d", (int)floor_rest(p->year, 100)); return true;
    case 'm': th_buf_printf(out, "%02d", p->month); return true;
    case 'd': th_buf_printf(out, "%02d", p->day); return true;
    case 'e': th_buf_printf(out, "%2d", p->day); return true;
    case 'H': th_buf_printf(out, "%02d", p->hour); return true;
    case 'I': th_buf_printf(out, "%02d", p->hour % 12 ? p->hour % 12 : 12); return true;
    case 'M': th_buf_printf(out, "%02d", p->minute); return true;
    case 'S': th_buf_printf(out, "%02d", p->second); return true;
    case 'f': th_buf_printf(out, "%06d", p->micro); return true;
    case 'p': th_buf_text(out, p->hour < 12 ? "AM" : "PM"); return true;
    case 'j': th_buf_printf(out, "%03d", day_of_year(p->year, p->month, p->day)); return true;
    case 'B': th_buf_text(out, month_names[p->month - 1]); return true;
    case 'b': th_buf_put(out, month_names[p->month - 1], 3); return true;
    case 'A': th_buf_text(out, day_names[weekday - 1]); return true;
    case 'a': th_buf_put(out, day_names[weekday - 1], 3); return true;
    case 'u': th_buf_printf(out, "%d", weekday); return true;
    case 'w': th_buf_printf(out, "%d", weekday % 7); return true;
    case 'V': th_buf_printf(out, "%02d", iso_week(days, &year)); return true;
    case 'G':
        (void)iso_week(days, &year);
        put_year(out, year);
        return true;
    case 'F': put_date(out, p); return true;
    case 'T': th_buf_printf(out, "%02d:%02d:%02d", p->hour, p->minute, p->second); return true;
    case 's': th_buf_printf(out, "%lld", (long long)floor_div(time, SECOND)); return true;
    case 'z': th_buf_text(out, "+0000"); return true;
    case 'Z': th_buf_text(out, "UTC"); return true;
    case '%': th_buf_char(out, '%'); return true;
    default: return false;
    }
}

static th_step no_conversion(th_machine *m, th_view pattern, size_t at) {
    th_view part = {pattern.data + at, pattern.len - at < 2 ? pattern.len - at : 2};
    return th_machine_trap(m, TH_E_ARGUMENT, "%s is no conversion of a time", th_lib_excerpt(part).text);
}

static th_step time_format(th_machine *m, th_call *call) {
    th_view pattern = arg_view(call, 1);
    int64_t time = arg_i64(call, 0);
    date_parts p = parts_of(time);
    th_buf buf;
    CHARGE(m, 16 + pattern.len * 4);
    th_buf_init(&buf, th_machine_mem(m));
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.data[i] != '%') {
            th_buf_char(&buf, pattern.data[i]);
        } else if (i + 1 == pattern.len || !put_conversion(&buf, pattern.data[i + 1], time, &p)) {
            th_buf_clear(&buf);
            return no_conversion(m, pattern, i);
        } else {
            i++;
        }
    }
    return th_lib_done_buf(m, call, &buf);
}

static th_step time_to_iso(th_machine *m, th_call *call) {
    date_parts p = parts_of(arg_i64(call, 0));
    th_buf buf;
    CHARGE(m, 32);
    th_buf_init(&buf, th_machine_mem(m));
    put_date(&buf, &p);
    th_buf_printf(&buf, "T%02d:%02d:%02d", p.hour, p.minute, p.second);
    if (p.micro) th_buf_printf(&buf, ".%06d", p.micro);
    th_buf_char(&buf, 'Z');
    return th_lib_done_buf(m, call, &buf);
}

/* ---- From text ---------------------------------------------------------------------------------------------- */

typedef struct scanner {
    th_view text;
    size_t at;
} scanner;

static bool is_next(const scanner *s, char c) { return s->at < s->text.len && s->text.data[s->at] == c; }
static bool accept(scanner *s, char c) {
    if (!is_next(s, c)) return false;
    s->at++;
    return true;
}

/* Between `min` and `max` digits. */
static bool digits(scanner *s, int min, int max, int64_t *out) {
    int n = 0;
    *out = 0;
    while (n < max && s->at < s->text.len && s->text.data[s->at] >= '0' && s->text.data[s->at] <= '9') {
        *out = *out * 10 + (s->text.data[s->at++] - '0');
        n++;
    }
    return n >= min;
}

static bool two(scanner *s, int *out) {
    int64_t value;
    bool good = digits(s, 2, 2, &value);
    *out = (int)value;
    return good;
}

static bool fraction(scanner *s, int *micro) {
    int n = 0;
    *micro = 0;
    for (; s->at < s->text.len && s->text.data[s->at] >= '0' && s->text.data[s->at] <= '9'; s->at++, n++)
        if (n < 6) *micro = *micro * 10 + (s->text.data[s->at] - '0');
    for (int i = n; i < 6; i++) *micro *= 10;
    return n > 0;
}

/* Z, or +hh, +hhmm, +hh:mm. */
static bool offset(scanner *s, int64_t *out) {
    int hours, minutes = 0;
    *out = 0;
    if (accept(s, 'Z') || accept(s, 'z')) return true;
    int64_t sign = is_next(s, '-') ? -1 : 1;
    if (!accept(s, '-') && !accept(s, '+')) return false;
    if (!two(s, &hours)) return false;
    bool colon = accept(s, ':');
    if ((colon || s->at < s->text.len) && !two(s, &minutes)) return false;
    *out = sign * (hours * HOUR + minutes * MINUTE);
    return hours < 24 && minutes < 60;
}

static bool year(scanner *s, int64_t *out) {
    int64_t sign = accept(s, '-') ? -1 : 1;
    bool good = digits(s, 4, 6, out);
    *out *= sign;
    return good;
}

static bool parse_iso(th_view text, int64_t *out) {
    scanner s = {text, 0};
    date_parts p = {.month = 1, .day = 1};
    int64_t shift = 0;
    if (!year(&s, &p.year) || !accept(&s, '-') || !two(&s, &p.month) || !accept(&s, '-') || !two(&s, &p.day))
        return false;
    if (accept(&s, 'T') || accept(&s, 't') || accept(&s, ' ')) {
        if (!two(&s, &p.hour) || !accept(&s, ':') || !two(&s, &p.minute)) return false;
        if (accept(&s, ':') && !two(&s, &p.second)) return false;
        if ((accept(&s, '.') || accept(&s, ',')) && !fraction(&s, &p.micro)) return false;
        if (s.at < text.len && !offset(&s, &shift)) return false;
    }
    if (s.at != text.len || !time_of(&p, out)) return false;
    *out -= shift;
    return true;
}

static bool name_of(scanner *s, const char *const *names, int n, int *out) {
    th_view rest = {s->text.data + s->at, s->text.len - s->at};
    for (int i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        bool whole = rest.len >= len && strncasecmp(rest.data, names[i], len) == 0;
        if (!whole && (rest.len < 3 || strncasecmp(rest.data, names[i], 3) != 0)) continue;
        s->at += whole ? len : 3;
        *out = i + 1;
        return true;
    }
    return false;
}

typedef struct pattern_state {
    date_parts p;
    int64_t shift, epoch;
    bool has_epoch, pm, half_day;
} pattern_state;

static bool parse_conversion(scanner *s, char letter, pattern_state *t, bool *known) {
    int64_t value;
    int ignored;
    *known = true;
    switch (letter) {
    case 'Y': return year(s, &t->p.year);
    case 'y':
        if (!digits(s, 2, 2, &value)) return false;
        t->p.year = value < 69 ? 2000 + value : 1900 + value;
        return true;
    case 'm': return digits(s, 1, 2, &value) && (t->p.month = (int)value, true);
    case 'd':
    case 'e': (void)accept(s, ' '); return digits(s, 1, 2, &value) && (t->p.day = (int)value, true);
    case 'H': return digits(s, 1, 2, &value) && (t->p.hour = (int)value, true);
    case 'I':
        t->half_day = true;
        return digits(s, 1, 2, &value) && value >= 1 && value <= 12 && (t->p.hour = (int)value % 12, true);
    case 'M': return digits(s, 1, 2, &value) && (t->p.minute = (int)value, true);
    case 'S': return digits(s, 1, 2, &value) && (t->p.second = (int)value, true);
    case 'f': return fraction(s, &t->p.micro);
    case 'B':
    case 'b': return name_of(s, month_names, 12, &t->p.month);
    case 'A':
    case 'a': return name_of(s, day_names, 7, &ignored);
    case 'p':
        t->pm = is_next(s, 'P') || is_next(s, 'p');
        s->at++;
        return accept(s, 'M') || accept(s, 'm');
    case 'z': return offset(s, &t->shift);
    case 'F':
        return year(s, &t->p.year) && accept(s, '-') && two(s, &t->p.month) && accept(s, '-') && two(s, &t->p.day);
    case 'T':
        return two(s, &t->p.hour) && accept(s, ':') && two(s, &t->p.minute) && accept(s, ':') && two(s, &t->p.second);
    case 's': {
        int64_t sign = accept(s, '-') ? -1 : 1;
        t->has_epoch = true;
        bool good = digits(s, 1, 12, &value);
        t->epoch = sign * value;
        return good;
    }
    case '%': return accept(s, '%');
    default: *known = false; return false;
    }
}

/* Reads a text by the conversions of time_format. *unknown: where the pattern has one that cannot be read. */
static bool parse_pattern(th_view text, th_view pattern, int64_t *out, size_t *unknown) {
    scanner s = {text, 0};
    pattern_state t = {.p = {.year = 1970, .month = 1, .day = 1}};
    *unknown = SIZE_MAX;
    for (size_t i = 0; i < pattern.len; i++) {
        bool known = true;
        if (pattern.data[i] != '%') {
            if (!accept(&s, pattern.data[i])) return false;
            continue;
        }
        char letter = i + 1 < pattern.len ? pattern.data[i + 1] : 0;
        bool good = parse_conversion(&s, letter, &t, &known);
        if (!known) *unknown = i;
        if (!good) return false;
        i++;
    }
    if (s.at != text.len) return false;
    if (t.half_day && t.pm) t.p.hour += 12;
    if (!time_of(&t.p, out)) return false;
    if (t.has_epoch) *out = t.epoch * SECOND + t.p.micro;
    *out -= t.shift;
    return true;
}

static th_step time_parse(th_machine *m, th_call *call) {
    int64_t time;
    CHARGE(m, 16 + arg_str(call, 0)->len);
    if (parse_iso(arg_view(call, 0), &time)) return done(call, (uint64_t)time);
    return th_machine_trap(m, TH_E_CONVERSION, "%s is no time (expected 2024-01-31 or 2024-01-31T12:00:00Z)",
                           th_lib_excerpt(arg_view(call, 0)).text);
}

static th_step time_try_parse(th_machine *m, th_call *call) {
    int64_t time;
    CHARGE(m, 16 + arg_str(call, 0)->len);
    if (!parse_iso(arg_view(call, 0), &time)) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_I64, (uint64_t)time);
}

static th_step time_parse_as(th_machine *m, th_call *call) {
    int64_t time;
    size_t unknown;
    CHARGE(m, 16 + arg_str(call, 0)->len + arg_str(call, 1)->len * 4);
    if (parse_pattern(arg_view(call, 0), arg_view(call, 1), &time, &unknown)) return done(call, (uint64_t)time);
    if (unknown != SIZE_MAX) return no_conversion(m, arg_view(call, 1), unknown);
    th_excerpt text = th_lib_excerpt(arg_view(call, 0)), pattern = th_lib_excerpt(arg_view(call, 1));
    return th_machine_trap(m, TH_E_CONVERSION, "%s is no time of the form %s", text.text, pattern.text);
}

static th_step time_try_parse_as(th_machine *m, th_call *call) {
    int64_t time;
    size_t unknown;
    CHARGE(m, 16 + arg_str(call, 0)->len + arg_str(call, 1)->len * 4);
    if (parse_pattern(arg_view(call, 0), arg_view(call, 1), &time, &unknown))
        return th_lib_done_some(m, call, TH_TYPE_I64, (uint64_t)time);
    return unknown != SIZE_MAX ? no_conversion(m, arg_view(call, 1), unknown) : done_null(call);
}

/* ---- Table -------------------------------------------------------------------------------------------------- */

#define PURE  TH_BUILTIN_PURE
#define CLOCK TH_BUILTIN_CLOCK
#define GET   "time: i64 -> i64"

const th_builtin th_lib_time[] = {
    {"Time.now", "-> f64", "Seconds since 1970, from the clock.\ne.g. Time.now() > 0.0", time_now, CLOCK, 0, NULL},
    {"Time.now_micros", "-> i64",
     "The time now, in microseconds since 1970 as all of Time counts.\ne.g. Time.year(Time.now_micros()) > 2000",
     time_now_micros, CLOCK, 0, NULL},
    {"Time.monotonic", "-> f64",
     "Seconds of a clock that is never set back, for measuring.\ne.g. Time.monotonic() >= 0.0", time_monotonic, CLOCK,
     0, NULL},
    {"Time.date", "year: i64, month: i64, day: i64 -> i64",
     "The start of a day; an error when there is no such day.\ne.g. Time.date(1970, 1, 2) == 86400000000", time_date,
     PURE, 0, NULL},
    {"Time.date", "year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64 -> i64",
     "A time of a day; an error when there is none.\ne.g. Time.date(1970, 1, 1, 0, 0, 1) == 1000000", time_date_time,
     PURE, 0, NULL},
    {"Time.year", GET, "The year.\ne.g. Time.year(0) == 1970", time_year, PURE, 0, NULL},
    {"Time.month", GET, "The month, 1 to 12.\ne.g. Time.month(0) == 1", time_month, PURE, 0, NULL},
    {"Time.day", GET, "The day of the month, from 1.\ne.g. Time.day(0) == 1", time_day, PURE, 0, NULL},
    {"Time.hour", GET, "The hour, 0 to 23.\ne.g. Time.hour(0) == 0", time_hour, PURE, 0, NULL},
    {"Time.minute", GET, "The minute.\ne.g. Time.minute(0) == 0", time_minute, PURE, 0, NULL},
    {"Time.second", GET, "The second.\ne.g. Time.second(0) == 0", time_second, PURE, 0, NULL},
    {"Time.microsecond", GET, "The microseconds within the second.\ne.g. Time.microsecond(7) == 7", time_microsecond,
     PURE, 0, NULL},
    {"Time.weekday", GET, "The day of the week: 1 is Monday, 7 Sunday.\ne.g. Time.weekday(0) == 4", time_weekday, PURE,
     0, NULL},
    {"Time.day_of_year", GET, "The day of the year, from 1.\ne.g. Time.day_of_year(0) == 1", time_day_of_year, PURE, 0,
     NULL},
    {"Time.week", GET, "The week of the year by ISO 8601.\ne.g. Time.week(0) == 1", time_week, PURE, 0, NULL},
    {"Time.is_leap_year", "time: i64 -> bool", "Whether the year has 366 days.\ne.g. Time.is_leap_year(0) == false",
     time_is_leap_year, PURE, 0, NULL},
    {"Time.parts", "time: i64 -> Dict<String, i64>",
     "year, month, day, hour, minute, second, microsecond, weekday and day_of_year.\ne.g. Dict.get(Time.parts(0), "
     "'year') == 1970",
     time_parts, 0, 0, NULL},
    {"Time.start_of_day", GET, "The start of its day.\ne.g. Time.start_of_day(5) == 0", time_start_of_day, PURE, 0,
     NULL},
    {"Time.start_of_week", GET,
     "The start of its week, a Monday.\ne.g. Time.start_of_week(0) == Time.date(1969, 12, 29)", time_start_of_week,
     PURE, 0, NULL},
    {"Time.start_of_month", GET, "The start of its month.\ne.g. Time.start_of_month(5) == 0", time_start_of_month, PURE,
     0, NULL},
    {"Time.start_of_year", GET, "The start of its year.\ne.g. Time.start_of_year(5) == 0", time_start_of_year, PURE, 0,
     NULL},
    {"Time.add_days", "time: i64, days: i64 -> i64", "So many days later.\ne.g. Time.add_days(0, 1) == 86400000000",
     time_add_days, PURE, 0, NULL},
    {"Time.add_hours", "time: i64, hours: i64 -> i64", "So many hours later.\ne.g. Time.add_hours(0, 1) == 3600000000",
     time_add_hours, PURE, 0, NULL},
    {"Time.add_minutes", "time: i64, minutes: i64 -> i64",
     "So many minutes later.\ne.g. Time.add_minutes(0, 1) == 60000000", time_add_minutes, PURE, 0, NULL},
    {"Time.add_seconds", "time: i64, seconds: f64 -> i64",
     "So many seconds later.\ne.g. Time.add_seconds(0, 1.5) == 1500000", time_add_seconds, PURE, 0, NULL},
    {"Time.add_months", "time: i64, months: i64 -> i64",
     "The same day so many months later, or the last one of a shorter month.\ne.g. Time.add_months(Time.date(2024, 1, "
     "31), 1) == Time.date(2024, 2, 29)",
     time_add_months, PURE, 0, NULL},
    {"Time.days_between", "from: i64, to: i64 -> i64",
     "Midnights between two times.\ne.g. Time.days_between(Time.date(2024, 1, 1), Time.date(2024, 3, 1)) == 60",
     time_days_between, PURE, 0, NULL},
    {"Time.seconds_between", "from: i64, to: i64 -> f64",
     "Seconds between two times.\ne.g. Time.seconds_between(0, 1500000) == 1.5", time_seconds_between, PURE, 0, NULL},
    {"Time.to_seconds", "time: i64 -> f64", "Seconds since 1970.\ne.g. Time.to_seconds(1500000) == 1.5",
     time_to_seconds, PURE, 0, NULL},
    {"Time.from_seconds", "seconds: f64 -> i64",
     "The time so many seconds after the start of 1970.\ne.g. Time.from_seconds(1.5) == 1500000", time_from_seconds,
     PURE, 0, NULL},
    {"Time.format", "time: i64, pattern: String -> String",
     "A time as a text: %Y year, %m month, %d day, %H hour, %M minute, %S second, %f microseconds, %F date, %T time, "
     "%B %b month name, %A %a day name, %j day of the year, %V %G week and its year, %u %w weekday, %y %e %I %p %s %z "
     "%Z %%.\ne.g. Time.format(0, '%d.%m.%Y') == '01.01.1970'",
     time_format, PURE, 0, NULL},
    {"Time.to_iso", "time: i64 -> String", "A time as ISO 8601.\ne.g. Time.to_iso(0) == '1970-01-01T00:00:00Z'",
     time_to_iso, PURE, 0, NULL},
    {"Time.parse", "text: String -> i64",
     "A time from ISO 8601, with or without time of day and offset; an error when it is none.\ne.g. "
     "Time.parse('1970-01-02') == 86400000000",
     time_parse, PURE, 0, NULL},
    {"Time.parse", "text: String, pattern: String -> i64",
     "A time from a text of a form that is given as in format; an error when it is none.\ne.g. "
     "Time.parse('02.01.1970', '%d.%m.%Y') == 86400000000",
     time_parse_as, PURE, 0, NULL},
    {"Time.try_parse", "text: String -> i64?", "A time from ISO 8601, or null.\ne.g. Time.try_parse('x') == null",
     time_try_parse, PURE, 0, NULL},
    {"Time.try_parse", "text: String, pattern: String -> i64?",
     "A time from a text of a form, or null.\ne.g. Time.try_parse('x', '%Y') == null", time_try_parse_as, PURE, 0,
     NULL},
};
const size_t th_lib_time_count = TH_COUNT(th_lib_time);
