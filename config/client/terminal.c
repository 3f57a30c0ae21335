// Interactive use: libedit for the line, `?` and TAB asked from the daemon, a pager, and log lines
// of `terminal monitor` printed while the operator types.
#include "terminal.h"

#include <ctype.h>
#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct {
	struct wire *wire;
	struct reply *reply;
	EditLine *el;
	History *history;
	bool gone;
} term;

// ---- replies ---------------------------------------------------------------------------------

struct pager {
	unsigned shown;
	bool quit;  // the rest is thrown away
};

static unsigned screen_rows(unsigned wanted)
{
	struct winsize ws;

	if (wanted == 0)
		return 0;
	if (wanted == 24 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 2)
		return ws.ws_row;
	return wanted;
}

static int read_key(void)
{
	struct termios old, raw;
	unsigned char ch = 'q';

	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return ' ';
	raw = old;
	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	ssize_t n = read(STDIN_FILENO, &ch, 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &old);
	return n == 1 ? ch : 'q';
}

static void pager_line(struct wire *w, struct pager *p, unsigned rows)
{
	if (rows == 0 || ++p->shown + 1 < rows)
		return;
	printf("--More--");
	fflush(stdout);
	int key = read_key();
	printf("\r        \r");
	if (key == ' ') {
		p->shown = 0;
	} else if (key != '\r' && key != '\n') {
		p->quit = true;
		wire_interrupted = 0;
		wire_send(w, 'I', "");
	}
}

static void reply_caret(const struct reply *r, const char *line, unsigned column, bool interactive)
{
	unsigned indent = column;

	if (interactive)
		indent += (unsigned)strlen(r->prompt) + 1;
	else
		fprintf(stderr, "%s\n", line);
	fprintf(stderr, "%*s^\n", (int)(indent < 2000 ? indent : 0), "");
}

static void reply_end(struct reply *r, const char *text)
{
	int used = 0;

	r->prompt[0] = '\0';
	if (sscanf(text, "%d %u %n", &r->status, &r->length, &used) >= 2 && used > 0)
		snprintf(r->prompt, sizeof(r->prompt), "%s", text + used);
}

int reply_read(struct wire *w, struct reply *r, const char *line, bool interactive)
{
	struct pager pager = {0};
	unsigned rows = interactive ? screen_rows(r->length) : 0;
	char *frame;

	while ((frame = wire_frame(w, true, NULL)) != NULL) {
		switch (frame[0]) {
		case 'O':
			if (pager.quit)
				break;
			puts(frame + 1);
			pager_line(w, &pager, rows);
			break;
		case 'P':
			if (!pager.quit)
				fputs(frame + 1, stdout);
			break;
		case 'A': reply_caret(r, line, (unsigned)atoi(frame + 1), interactive); break;
		case 'E':
			fflush(stdout);
			if (!pager.quit)
				fprintf(stderr, "%s\n", frame + 1);
			break;
		case 'R':
			fflush(stdout);
			reply_end(r, frame + 1);
			return 0;
		}
	}
	return -ECONNRESET;
}

// ---- help and completion ---------------------------------------------------------------------

static void cursor_text(char *buf, size_t cap)
{
	const LineInfo *li = el_line(term.el);
	snprintf(buf, cap, "%.*s", (int)(li->cursor - li->buffer), li->buffer);
}

static void print_candidate(char *text)
{
	char *tab = strchr(text, '\t');

	if (tab == NULL) {
		printf("%s\n", text);
		return;
	}
	*tab = '\0';
	printf("  %-20s %s\n", text, tab + 1);
}

// `?`: the candidates at the cursor, then the line again. Inside quotes it is a character.
static unsigned char key_help(EditLine *el, int ch)
{
	char text[1200];
	char *frame;
	unsigned quotes = 0;

	cursor_text(text, sizeof(text));
	for (const char *p = text; *p != '\0'; p++)
		quotes += *p == '"';
	if (quotes % 2 != 0) {
		const char one[2] = {(char)ch, '\0'};
		return el_insertstr(el, one) == 0 ? CC_REFRESH : CC_ERROR;
	}
	printf("?\n");
	if (wire_send(term.wire, 'H', text) != 0)
		return CC_EOF;
	while ((frame = wire_frame(term.wire, true, NULL)) != NULL && frame[0] != 'R') {
		if (frame[0] == 'O' || frame[0] == 'E')
			print_candidate(frame + 1);
	}
	fflush(stdout);
	return frame == NULL ? CC_EOF : CC_REDISPLAY;
}

// TAB: completes a word that is unique, else as far as the candidates agree.
static unsigned char key_complete(EditLine *el, int ch)
{
	char text[1200], common[128] = "";
	unsigned count = 0;
	char *frame;

	(void)ch;
	cursor_text(text, sizeof(text));
	size_t len = strlen(text), typed = 0;
	while (typed < len && !isblank((unsigned char)text[len - 1 - typed]))
		typed++;
	if (wire_send(term.wire, 'T', text) != 0)
		return CC_EOF;
	while ((frame = wire_frame(term.wire, true, NULL)) != NULL && frame[0] != 'R') {
		if (frame[0] != 'O')
			continue;
		char *word = frame + 1;
		word[strcspn(word, "\t")] = '\0';
		if (count++ == 0)
			snprintf(common, sizeof(common), "%s", word);
		size_t same = 0;
		while (common[same] != '\0' && common[same] == word[same])
			same++;
		common[same] = '\0';
	}
	if (frame == NULL)
		return CC_EOF;
	if (count == 0 || typed == 0 || strlen(common) < typed)
		return CC_ERROR;
	if (count == 1 && strlen(common) + 2 < sizeof(common))
		strcat(common, " ");
	return el_insertstr(el, common + typed) == 0 ? CC_REFRESH : CC_ERROR;
}

// ---- the loop --------------------------------------------------------------------------------

static char *prompt(EditLine *el)
{
	static char text[140];

	(void)el;
	snprintf(text, sizeof(text), "%s ", term.reply->prompt);
	return text;
}

// Waits for a key; what the daemon sends meanwhile (terminal monitor) is printed above the line.
static int get_char(EditLine *el, wchar_t *out)
{
	struct pollfd p[2] = {{STDIN_FILENO, POLLIN, 0}, {term.wire->fd, POLLIN, 0}};
	unsigned char ch;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (wire_interrupted) {
			wire_interrupted = 0;
			*out = 21;  // ^U: Ctrl-C empties the line
			return 1;
		}
		if (p[1].revents != 0) {
			bool idle, any = false;
			char *frame;
			while ((frame = wire_frame(term.wire, false, &idle)) != NULL) {
				printf("%s%s\n", any ? "" : "\r\n", frame + 1);
				any = true;
			}
			if (!idle) {
				term.gone = true;
				return 0;
			}
			el_set(el, EL_REFRESH);
		}
		if (p[0].revents != 0) {
			ssize_t n = read(STDIN_FILENO, &ch, 1);
			*out = ch;
			return (int)n;
		}
	}
}

static bool is_secret(const char *line)
{
	return strcasestr(line, "key") != NULL || strcasestr(line, "psk") != NULL ||
	       strcasestr(line, "secret") != NULL || strcasestr(line, "password") != NULL ||
	       strcasestr(line, "standby") != NULL;
}

static bool editor_open(void)
{
	HistEvent ev;

	term.el = el_init("tandem", stdin, stdout, stderr);
	term.history = history_init();
	if (term.el == NULL || term.history == NULL)
		return false;
	history(term.history, &ev, H_SETSIZE, 200);
	el_set(term.el, EL_SIGNAL, 0);
	el_set(term.el, EL_EDITOR, "emacs");
	el_set(term.el, EL_PROMPT, prompt);
	el_set(term.el, EL_HIST, history, term.history);
	el_set(term.el, EL_GETCFN, get_char);
	el_set(term.el, EL_ADDFN, "tandem-help", "List what may follow", key_help);
	el_set(term.el, EL_ADDFN, "tandem-complete", "Complete the word", key_complete);
	el_set(term.el, EL_BIND, "?", "tandem-help", NULL);
	el_set(term.el, EL_BIND, "^I", "tandem-complete", NULL);
	return true;
}

static void editor_close(void)
{
	if (term.history != NULL)
		history_end(term.history);
	if (term.el != NULL)
		el_end(term.el);
}

int terminal_run(struct wire *w, struct reply *r, bool json)
{
	HistEvent ev;
	char line[1200];
	const char *text;
	int count, rc = 0;

	term.wire = w;
	term.reply = r;
	if (!editor_open()) {
		fprintf(stderr, "tandem: this terminal cannot be used\n");
		editor_close();
		return -ENOTTY;
	}
	while (rc == 0 && (text = el_gets(term.el, &count)) != NULL && count > 0) {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\r\n"), text);
		if (line[strspn(line, " \t")] != '\0' && !is_secret(line))
			history(term.history, &ev, H_ENTER, line);
		rc = wire_send(w, json ? 'J' : 'X', line);
		if (rc == 0)
			rc = reply_read(w, r, line, true);
		explicit_bzero(line, sizeof(line));
		if (rc == 0 && r->prompt[0] == '\0')
			break;
	}
	editor_close();
	r->status = 0;
	// The daemon closes after `exit`: no error.
	return term.gone ? -ECONNRESET : rc == -EPIPE || rc == -ECONNRESET ? 0 : rc;
}
