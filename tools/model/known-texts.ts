/**
 * Texts whose vectors are stored with a model, written for this project: a backend that computes
 * them wrongly is not used. Two a language, one short and one longer, so that padding, every kind of
 * token and several sequence lengths take part.
 */
export const KNOWN_TEXTS: readonly { readonly language: string; readonly text: string }[] = [
  { language: 'en', text: 'A quiet inn by the river with warm bread and a fire.' },
  {
    language: 'en',
    text: "Sailors swear that the landlord's dog, a grey wolfhound of 14 years, knows each guest by the sound of the third stair; nobody has ever proved it wrong, although many a clever thief has tried on winter nights.",
  },
  { language: 'ja', text: '川のほとりの静かな宿。' },
  {
    language: 'ja',
    text: '山道の茶屋では、旅人たちが囲炉裏のまわりに集まり、熱い味噌汁を飲みながら昔の話を語り合います。',
  },
  { language: 'zh', text: '河边一家安静的小客栈。' },
  {
    language: 'zh',
    text: '老城门旁的酒馆每到冬夜便坐满了商人和诗人,掌柜总把最好的位置留给远道而来的客人。',
  },
  { language: 'ko', text: '강가의 조용한 여관.' },
  {
    language: 'ko',
    text: '산길 끝의 주막에서는 나그네들이 따뜻한 국밥을 먹으며 먼 나라의 이야기를 나눕니다.',
  },
];
