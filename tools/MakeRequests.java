import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;

/**
 * Writes the example requests: messages to a shop's customer service, each with the topics that it
 * raises. Messages are put together from the sentences below, which the Attune authors wrote.
 *
 * <p>Run: {@code java tools/MakeRequests.java examples/requests}. The same bytes every time. Of the
 * sentences of each topic, the first two thirds go to {@code train.jsonl}, a sixth each to {@code
 * validation.jsonl} and {@code test.jsonl}: no sentence on a topic is in two of the files.
 */
public final class MakeRequests {
  private static final int SENTENCES = 24;
  private static final Map<String, Integer> ROWS = new LinkedHashMap<>();
  private static final Map<String, int[]> RANGES = new LinkedHashMap<>();

  static {
    ROWS.put("train", 600);
    ROWS.put("validation", 120);
    ROWS.put("test", 160);
    RANGES.put("train", new int[] {0, 16});
    RANGES.put("validation", new int[] {16, 20});
    RANGES.put("test", new int[] {20, 24});
  }

  private static final Map<String, String> TOPICS = new LinkedHashMap<>();

  static {
    TOPICS.put(
        "account",
        """
        I cannot log in since this morning.
        The page says my password is wrong, but it is not.
        How do I change the email address that I sign in with?
        Your link for a new password never reaches my inbox.
        My profile still shows my maiden name.
        After three attempts I was locked out.
        The code that you text me when I sign in arrives an hour late.
        There seem to be two logins under my name now.
        I no longer have the phone that I registered with.
        Please merge my old login with the new one.
        My username has disappeared from the system.
        The sign-up form rejects my postcode.
        I would like my daughter to be able to sign in as well.
        It keeps asking me to confirm my address, although I did so last week.
        Who can reset the security question for me?
        When I sign in, I see somebody else's name at the top.
        I forgot which address I registered with.
        The site throws me out to the login page every few minutes.
        Can you unlock my profile?
        I have a new surname and want it shown when I log in.
        My password stopped working overnight.
        I never got the message to confirm my registration.
        Please change the phone number on my profile.
        Signing in with my fingerprint is refused all of a sudden.
        """);
    TOPICS.put(
        "billing",
        """
        I was charged twice for the same order.
        The invoice shows a fee that nobody mentioned.
        My card statement lists 49 euros instead of 39.
        Where can I download last month's invoice?
        You took the money before anything was shipped.
        The discount code was accepted but not deducted.
        Why does the bill include tax for another country?
        My company needs an invoice with our VAT number on it.
        The direct debit bounced, and I do not know why.
        I see a payment to you that I never made.
        The amount at the checkout was lower than what you collected.
        Can I pay in three instalments?
        My new card is declined whenever I try to pay.
        The receipt carries the wrong date.
        You are billing me for a plan that I left in spring.
        I would rather pay by bank transfer from now on.
        The total on my bill does not add up.
        A second payment went off my card yesterday.
        Please send the invoice to our accounting department.
        I was promised ten percent off and paid the full price.
        There is an unknown charge of yours on my credit card.
        The voucher was not taken off the sum I paid.
        Do you accept payment by invoice?
        The monthly price went up without notice.
        """);
    TOPICS.put(
        "cancellation",
        """
        Please cancel my subscription at the end of the month.
        I want to call off the order I placed an hour ago.
        I am leaving and would like the contract ended.
        How much notice do I have to give?
        Stop the renewal, I will not need it next year.
        The order has not left yet, so please drop it.
        I have changed my mind about the second chair; take it off the order.
        There is no button anywhere to end my membership.
        My father has died; please close his contract.
        I hereby give notice with effect from the first of June.
        I ended the trial in time, yet it says that it goes on.
        Can I pause the membership instead of ending it?
        Confirm in writing that the contract is over.
        We are moving abroad and have to give up the plan.
        Please do not send the rest of the series.
        I ordered by mistake, kindly stop it.
        I would like to terminate the agreement.
        Take me off the monthly box as of now.
        The order is no longer needed, please withdraw it.
        How can I get out of the yearly plan early?
        I do not wish to renew when the year is up.
        Please call off the purchase before it ships.
        We want to end our membership in the autumn.
        Kindly confirm that my notice has arrived.
        """);
    TOPICS.put(
        "damage",
        """
        The glass was shattered when I opened the box.
        One leg of the table is bent.
        There is a deep scratch across the screen.
        The lid came with a crack in it.
        A corner of the frame has been crushed.
        The seam tore on the first day.
        Half of the plates were in pieces.
        The handle broke off in my hand.
        Water had got into the parcel and the book is swollen.
        The zip is stuck and two teeth are missing.
        The paint is chipped all over.
        It looks as if someone had stepped on it.
        The battery compartment is dented and will not close.
        Two of the tiles arrived broken.
        The fabric has a hole the size of a coin.
        Something rattles inside, I think a part has come loose.
        The mirror has a crack from top to bottom.
        One wheel was snapped off.
        The box was soaked and the lamp inside is rusty.
        There is a dent in the door of the fridge.
        The vase was smashed to bits.
        The armrest is split along the grain.
        The cover of the album is torn.
        Its casing is badly scratched.
        """);
    TOPICS.put(
        "delivery",
        """
        My parcel was due on Tuesday and is still not here.
        The tracking page has not moved for nine days.
        The driver left it with a neighbour I do not know.
        Can you send it to my office instead?
        I was at home all day, but the card says nobody answered.
        Only one of the two boxes has come.
        When will the sofa be brought?
        It went to my old address.
        The courier says that it was handed over, but I have nothing.
        Do you ship to Norway?
        I need it before Friday or not at all.
        Please have it left in the shed.
        The carrier returned it without trying.
        How long does shipping usually take?
        The parcel is being held at customs.
        Someone else's order was in the box.
        It has been on its way for two weeks now.
        Could it be brought in the evening?
        According to the tracking it is in the wrong town.
        The shipment arrived without the chair.
        Where is my package?
        The postman could not find our house.
        I would like to collect it at the depot.
        Nothing has turned up, although you said three days.
        """);
    TOPICS.put(
        "privacy",
        """
        Please delete everything you have stored about me.
        Which data of mine do you keep, and why?
        I never agreed to your newsletter.
        Who gave my number to that survey company?
        I want a copy of all records you hold on me.
        Take my photograph off your website.
        Your emails show the addresses of all the other customers.
        I withdraw my consent to advertising.
        How long do you store what I buy?
        Your app wants to read my contacts, which is none of its business.
        Do not pass my details to partners.
        Has my data been part of the leak in the news?
        I object to being profiled.
        Why do you need my date of birth?
        My review was published under my full name without asking.
        Stop tracking what I look at.
        Erase my personal details from your files.
        I get advertising from you although I objected.
        With whom do you share what you know about me?
        Please tell me what information on me you process.
        I ask you to remove my data completely.
        Somebody must have sold my address, and I suspect you.
        Unsubscribe me from all marketing at once.
        I did not allow you to record the call.
        """);
    TOPICS.put(
        "refund",
        """
        I would like my money back.
        The return reached you two weeks ago and I have not been paid.
        When will the amount be back on my card?
        I got a voucher, but I want cash.
        You only gave back half of it.
        Am I entitled to compensation?
        The postage should be reimbursed as well.
        How do I send the shoes back for a full refund?
        Please transfer the sum to my new bank account.
        The refund you announced never came.
        I expect a reduction of the price.
        I sent both items back, yet you repaid one.
        Who pays for the return?
        Your email says repaid, my bank says otherwise.
        I insist on being reimbursed within a week.
        The deposit has not been given back.
        Kindly return what I paid.
        I am still waiting for you to repay me.
        Can I get the difference back?
        I want to send it back and have the price repaid.
        Please reimburse me in full.
        My money has not come back since I returned the coat.
        Give me back the shipping costs.
        How many days until the repayment shows up at my bank?
        """);
    TOPICS.put(
        "technical",
        """
        The app crashes as soon as I open the camera.
        The device will not connect to our wireless network.
        After the update the screen stays black.
        The search on your website finds nothing.
        It switches itself off after ten minutes.
        The pages load so slowly that I give up.
        No sound comes from the left speaker.
        The software cannot be installed on my laptop.
        The thermostat shows an error, E42.
        Pictures do not upload any more.
        My watch no longer talks to my phone.
        The remote control does nothing.
        The basket empties itself when I go on.
        The printer is not recognised.
        It freezes in the middle of a film.
        The map in the app puts me in another city.
        Since the last version the buttons do not react.
        The robot runs in circles and beeps.
        Your site shows a blank page in my browser.
        The Bluetooth link drops all the time.
        The program closes without any message.
        It refuses to start and a red light blinks.
        The video stutters on every device.
        The app says that it has no connection, though others work.
        """);
  }

  private static final List<String> CHATTER =
      lines(
          """
          I have been a customer for many years.
          Your colleague on the phone was very friendly.
          I like your shop a lot.
          This is the first time that I write to you.
          It was meant as a present for my sister.
          The weather here is awful, by the way.
          I hope that you are well.
          I tried to call but the line was busy.
          My neighbour recommended you.
          Thank you for the quick answer last time.
          I am writing from the train.
          We talked about it on Monday.
          """);
  private static final List<String> OPENINGS =
      lines("Hello,\nHi there,\nGood morning,\nDear team,\nTo whom it may concern,\nHey,");
  private static final List<String> LINKS =
      lines("Also,\nBesides,\nAnd another thing:\nOn top of that,\nApart from that,\nSecondly,");
  private static final List<String> CLOSINGS =
      lines("Thanks.\nRegards, M.\nPlease answer soon.\nBest wishes\nWaiting for your reply.");

  private MakeRequests() {}

  private static List<String> lines(String text) {
    return text.strip().lines().map(String::strip).toList();
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/MakeRequests.java FOLDER");
      System.exit(2);
    }
    TreeSet<String> texts = new TreeSet<>(); // of all files: none is written twice
    for (String split : ROWS.keySet()) {
      List<String> rows = new ArrayList<>();
      Random random = new Random(split.hashCode());
      while (rows.size() < ROWS.get(split)) {
        List<String> topics = topics(random);
        String text = message(random, topics, RANGES.get(split));
        if (texts.add(text)) {
          rows.add(row(text, topics));
        }
      }
      Files.write(Path.of(args[0], split + ".jsonl"), rows);
    }
  }

  /** None, one, two or three topics. */
  private static List<String> topics(Random random) {
    List<String> all = new ArrayList<>(TOPICS.keySet());
    Collections.shuffle(all, random);
    int percent = random.nextInt(100);
    int count = percent < 8 ? 0 : percent < 50 ? 1 : percent < 86 ? 2 : 3;
    return new ArrayList<>(all.subList(0, count));
  }

  private static String message(Random random, List<String> topics, int[] range) {
    List<String> parts = new ArrayList<>();
    for (String topic : topics) {
      List<String> sentences = lines(TOPICS.get(topic));
      if (sentences.size() != SENTENCES) {
        throw new IllegalStateException(topic + " has " + sentences.size() + " sentences");
      }
      String sentence = sentences.get(range[0] + random.nextInt(range[1] - range[0]));
      if (!parts.isEmpty() && random.nextInt(3) == 0) {
        // "I" and names keep their capital.
        boolean keeps = sentence.startsWith("I ") || sentence.startsWith("Bluetooth");
        sentence =
            pick(random, LINKS)
                + " "
                + (keeps ? sentence : sentence.substring(0, 1).toLowerCase(Locale.ROOT) + sentence.substring(1));
      }
      parts.add(sentence);
    }
    int chatter = topics.isEmpty() ? 2 + random.nextInt(2) : random.nextInt(3) / 2;
    List<String> said = new ArrayList<>(CHATTER);
    Collections.shuffle(said, random);
    for (String sentence : said.subList(0, chatter)) {
      parts.add(random.nextInt(parts.size() + 1), sentence);
    }
    if (random.nextInt(3) == 0) {
      parts.add(0, pick(random, OPENINGS));
    }
    if (random.nextInt(3) == 0) {
      parts.add(pick(random, CLOSINGS));
    }
    return String.join(" ", parts);
  }

  private static String pick(Random random, List<String> from) {
    return from.get(random.nextInt(from.size()));
  }

  private static String row(String text, List<String> topics) {
    String[] sorted = topics.stream().sorted().map(topic -> '"' + topic + '"').toArray(String[]::new);
    return "{\"text\": \""
        + text.replace("\"", "\\\"")
        + "\", \"labels\": "
        + Arrays.toString(sorted)
        + "}";
  }
}
