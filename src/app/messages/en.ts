import type { Messages } from './types.ts';

const places = (n: number): string => (n === 1 ? 'one place' : `${n} places`);

export const en: Messages = {
  nav: {
    label: 'Main',
    skip: 'Skip to the content',
    ask: 'Ask',
    records: 'Records',
    learning: 'Learning',
    status: 'Status',
  },
  composer: {
    label: 'Ask about your records',
    placeholder: 'Ask about your records',
    ask: 'Ask',
    search: 'Search',
    stop: 'Stop',
    byWords: 'Searching by words until the model is ready',
    readOnly: 'Nothing can be written here; this tab searches',
  },
  welcome: {
    title: 'Ask, see the sources, say what helped',
    lead: (n) =>
      `${n} records about taverns and inns are read, searched and remembered on this device. What you rate changes what you find next.`,
    tryThese: 'Try one of these',
    examples: [
      'Which hotel dims its lights for people who look at the stars?',
      'Where can I stay that can be reached by rail but not by car?',
      'Who carried old handwritten books across the desert to protect them?',
    ],
    someRecords: 'Some of the records',
    allRecords: (n) => `All ${n} records`,
  },
  model: {
    title: 'Getting the model ready',
    stage: {
      download: 'Downloading',
      cache: 'Reading from this device',
      verify: 'Checking the files',
      compile: 'Starting',
      check: 'Trying it on known answers',
      start: 'Starting',
    },
    bytes: (loaded, total) => `${loaded} of ${total}`,
    once: 'Downloaded once, then kept on this device. Words can be searched meanwhile.',
    indexing: (done, total) => `Records embedded: ${done} of ${total}`,
  },
  found: {
    title: (query) => `Found for “${query}”`,
    byMeaning: 'Searched by meaning and words',
    nothing: 'No record has these words.',
    waiting: 'Your question is asked as soon as the records are ready.',
    dontWait: 'Do not ask it',
  },
  turn: {
    number: (n) => `Turn ${n}`,
    answeredIn: (time) => `answered in ${time}`,
    retrieval: (time) => `retrieval ${time}`,
    byWordsOnly: 'found by words only',
    stage: {
      embed: 'Reading the question',
      retrieve: 'Looking for sources',
      generate: 'Writing',
      evaluate: 'Checking every sentence',
      store: 'Keeping the turn',
    },
    answer: 'Answer',
    sources: 'Sources',
    noSources: 'No record matches this question.',
    offline: 'Offline answer: sentences quoted from your records.',
    offlineNoKey:
      'No key for Claude is set on the server: these sentences are quoted from your records.',
    offlineAway: 'Claude could not be reached: these sentences are quoted from your records.',
    stopped: 'You stopped this answer. It was not kept.',
    cut: 'This answer was cut. It was not kept.',
    unanswered: 'This question was not answered.',
    draft: {
      max_tokens: 'This answer reached its longest length. It was not kept.',
      refusal: 'Claude declined to answer. Nothing was kept.',
      other: 'This answer did not come to its end. It was not kept.',
    },
    retry: 'Ask again',
    askAgain: 'Ask this again',
    missing: 'This turn is not on this device.',
    newest: 'Go to the newest turn',
    unsupported: 'no source says this',
    citation: (n, name) => `Source ${n}: ${name}`,
    citationMissing: (n) => `There is no source ${n}`,
    notPlaced: 'No source says this:',
    ready: (verdict) => `The answer is ready. ${verdict}`,
  },
  verdict: {
    counted: ({ claims, grounded, unchecked }) => {
      if (unchecked === claims) {
        return {
          strong: 'Not checked:',
          rest: ' the check of sentences reads English only',
        };
      }
      const noun = claims === 1 ? 'sentence is' : 'sentences are';
      const tail = unchecked > 0 ? `, ${unchecked} could not be checked` : '';
      return { strong: `${grounded} of ${claims}`, rest: ` ${noun} backed by a source${tail}` };
    },
    refusal: 'The sources do not answer this',
    nothingClaimed: 'There was nothing to check',
    decision: {
      admitted: 'Kept among the answers',
      quarantined: 'Held back from the answers',
      dropped: 'Not kept among the answers',
    },
    badCitations: 'Some numbers name no source',
  },
  rate: {
    answer: 'Rate the answer',
    helpful: 'Helpful',
    notHelpful: 'Not helpful',
    hit: (name) => `Rate ${name}`,
    thanks: 'Your rating is kept. Questions like this one learn from it.',
    taken: 'Your rating is taken back.',
  },
  hit: {
    visitor: 'Visited by',
    score: (score) => `Score ${score}`,
    similarity: 'similarity',
    words: 'words',
    learnt: 'learnt',
    why: ({ places: by, question, liked, isRated }) => {
      const move = by === 0 ? 'Same place' : by > 0 ? `Up ${places(by)}` : `Down ${places(-by)}`;
      const rated = liked ? 'you liked it' : 'you disliked it';
      const passed = liked ? 'you chose it, or one close to it,' : 'you passed it over';
      return `${move}: ${isRated ? rated : passed} for “${question}”`;
    },
    more: 'Read all',
    less: 'Read less',
  },
  sent: {
    open: 'What was sent',
    title: 'What was sent',
    toClaude: (model) => `This text, and nothing else, went to ${model}.`,
    nowhere:
      'Nothing left this device: the answer quotes your records. With a key, exactly this text would be sent.',
    system: 'Instructions',
    user: 'Question and sources',
    assistant: 'Answer so far',
    tokens: (n) => `About ${n} tokens`,
    close: 'Close',
  },
  records: {
    title: 'Records',
    count: (shown, total) =>
      shown === total ? `${total} records` : `${shown} of ${total} records`,
    filter: 'Filter by any word',
    none: 'No record has this text.',
    add: 'Add a record',
    name: 'Name',
    location: 'Place',
    visitor: 'Famous visitor',
    description: 'Description',
    language: 'Language of the record',
    save: 'Add record',
    saving: 'Adding',
    cancel: 'Cancel',
    saved: (name) => `“${name}” is added and can be found.`,
    remove: 'Delete',
    removeNamed: (name) => `Delete “${name}”`,
    removeSure: 'Delete for good',
    keep: 'Keep',
    removed: (name) => `“${name}” is deleted.`,
    notYet: 'Records can be added once the model is ready.',
  },
  spiral: {
    title: 'The loop so far',
    label: (turns) =>
      turns === 1 ? 'One turn on a spiral' : `${turns} turns on a spiral, oldest in the middle`,
    dot: (n, question, verdict, vote) => `Turn ${n}: ${question}. ${verdict}. ${vote}`,
    empty: 'Each question becomes a dot on this spiral, and a way back to its answer.',
    liked: 'liked',
    unrated: 'unrated',
    disliked: 'disliked',
    size: 'A larger dot has more sentences with a source.',
    asList: 'As a list',
  },
  learning: {
    title: 'Learning',
    lead: 'A rating counts for questions like the one it was given for, and for no others. The memory is trusted only as far as its predictions held.',
    numbers: 'In numbers',
    summary: {
      turns: 'Turns',
      rated: 'Rated by you',
      admitted: 'Answers kept',
      quarantined: 'Held back',
      lambda: 'Trust in its own memory, 0 to 1',
      broken: 'Turns that could not be read',
    },
    table: 'All turns, newest first',
    columns: {
      turn: 'Turn',
      question: 'Question',
      backed: 'Backed',
      rating: 'Rating',
      when: 'When',
    },
    notYet: 'not yet known',
    none: 'No turn yet. Ask something first.',
  },
  status: {
    title: 'Status',
    starting: 'Starting',
    loading: 'Getting the model ready',
    readyOffline: 'Ready, works offline',
    ready: 'Ready',
    modelFailed: 'The model did not start',
    kept: 'Kept on this device',
    notKept: 'Not kept: private window',
    readOnly: 'Nothing can be written here; this tab reads',
    recordCount: (n) => (n === 1 ? '1 record' : `${n} records`),
    model: 'Model',
    name: 'Name',
    backend: 'Runs on',
    why: 'Why',
    dimension: 'Numbers a text',
    weights: 'Weights',
    threads: 'Threads',
    storage: 'Storage',
    where: 'Where',
    role: 'This tab',
    leader: 'reads and writes',
    through: 'reads and writes, through another tab',
    used: 'Room used',
    usedOf: (used, quota) => `${used} of ${quota}`,
    persisted: 'Promise of the browser',
    promised: 'keeps it until you erase it',
    mayClear: 'may clear it when the disk is full',
    unknown: 'not known',
    restarts: 'Workers replaced',
    restartCount: (embed, index) => `${embed} for the model, ${index} for the index`,
    answers: 'Answers',
    claude: {
      unknown: 'Asking whether Claude can be reached',
      key: 'Written by Claude; when it cannot be reached, quoted from your records',
      no_key: 'Quoted from your records: no key for Claude is set on the server',
      unreachable: 'Quoted from your records: the server cannot be reached',
    },
    settings: 'Settings',
    language: 'Language',
    theme: 'Light or dark',
    themes: { system: 'As the system', light: 'Light', dark: 'Dark' },
    memory: 'memory of this page',
    indexeddb: 'browser storage (IndexedDB)',
  },
  problem: {
    title: 'Something went wrong',
    byCode: {
      network: {
        what: 'The network did not answer.',
        next: 'What was downloaded is kept, and the download goes on from there.',
      },
      asset_missing: {
        what: 'A file of the model is missing on the server.',
        next: 'Your records are untouched, and words can be searched.',
      },
      asset_corrupt: {
        what: 'A file of the model is not the right one and was refused.',
        next: 'Your records are untouched. Loading it again may bring the right one.',
      },
      asset_incomplete: {
        what: 'The download of the model was cut.',
        next: 'What arrived is kept, and the download goes on from there.',
      },
      out_of_memory: {
        what: 'The browser had no memory left.',
        next: 'What was saved is untouched. Close other tabs and try again.',
      },
      worker_lost: {
        what: 'A worker of the page stopped and was replaced.',
        next: 'What was saved is untouched. Try again.',
      },
      worker_start_failed: {
        what: 'A worker of the page could not be started.',
        next: 'What was saved is untouched. Load the page again.',
      },
      not_leader: {
        what: 'This tab cannot write at present.',
        next: 'Nothing was changed. Reload the page; if that does not help, close the other tabs.',
      },
      outcome_unknown: {
        what: 'Whether the last change was made cannot be told.',
        next: 'It was made whole or not at all, and not twice. Look before you make it again.',
      },
      storage_full: {
        what: 'The disk has no room left for this page.',
        next: 'What was saved is untouched; this change was not made. Free some room and try again.',
      },
      storage_unavailable: {
        what: 'The browser does not let this page store anything.',
        next: 'Everything works, and is gone when the page is closed.',
      },
      storage_lost: {
        what: 'The browser took the stored data away.',
        next: 'Load the page again to begin anew.',
      },
      storage_too_new: {
        what: 'The stored data was written by a newer version of the app.',
        next: 'It is untouched. Load the page again to get the newer version.',
      },
      storage_blocked: {
        what: 'Another tab holds an older version of the stored data open.',
        next: 'Nothing was changed. Close the other tabs of this app and try again.',
      },
      no_key: {
        what: 'No key for Claude is set on the server.',
        next: 'Answers are quoted from your records until there is one.',
      },
      unauthorized: {
        what: 'Claude refused the key of the server.',
        next: 'Turns and ratings are kept. Whoever runs the server must set a valid key.',
      },
      forbidden: {
        what: 'The server does not answer questions of this page.',
        next: 'Turns and ratings are kept. Whoever runs the server must allow this address.',
      },
      invalid_request: {
        what: 'The server did not accept this question.',
        next: 'Nothing was changed. Put it another way and ask again.',
      },
      upstream_failed: {
        what: 'Claude had a fault of its own.',
        next: 'Nothing was lost. Ask again in a moment.',
      },
      rate_limited: {
        what: 'There were too many questions in a short time.',
        next: 'Nothing was lost. Wait a little and ask again.',
      },
      budget_exhausted: {
        what: 'The tokens for today are used up.',
        next: 'Turns and ratings are kept. The count starts anew at midnight UTC.',
      },
      overloaded: {
        what: 'Claude has too much to do right now.',
        next: 'Nothing was lost. Ask again in a moment.',
      },
      stream_incomplete: {
        what: 'The answer was cut before its end.',
        next: 'What arrived is shown and was not kept. Ask again.',
      },
      stream_timeout: {
        what: 'The answer stopped coming.',
        next: 'What arrived is shown and was not kept. Ask again.',
      },
      deadline: {
        what: 'This took too long and was given up.',
        next: 'What was saved is untouched. Try again.',
      },
      too_large: {
        what: 'The text is too long.',
        next: 'Nothing was changed. Shorten it and try again.',
      },
    },
    begunAnew: {
      what: 'The browser took the stored records and turns away.',
      next: 'The sample records are read anew; what you added and rated is gone.',
    },
    other: {
      what: 'This did not work.',
      next: 'What was saved is untouched. Try again.',
    },
    details: 'Details',
    retry: 'Try again',
    reload: 'Load the page again',
    dismiss: 'Close',
  },
};
