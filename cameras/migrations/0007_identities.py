"""Identities over many sightings, templates of unknown people, corrections, and routes between cameras."""

from __future__ import annotations

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

NOTE_GONE = """
CREATE FUNCTION cameras_note_unknown_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cameras_unknowngone (template) SELECT id FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER note_unknown_gone AFTER DELETE ON cameras_unknowntemplate
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cameras_note_unknown_gone();
"""
DO_NOT_NOTE = """
DROP TRIGGER note_unknown_gone ON cameras_unknowntemplate;
DROP FUNCTION cameras_note_unknown_gone();
"""
FILL_IN_FIRST_SEEN = """
UPDATE cameras_passage SET first_seen = s.first_seen FROM cameras_sighting s WHERE s.id = sighting_id;
CREATE FUNCTION cameras_passage_first_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT first_seen INTO NEW.first_seen FROM cameras_sighting WHERE id = NEW.sighting_id;
    RETURN NEW;
END $$;
CREATE TRIGGER passage_first_seen BEFORE INSERT ON cameras_passage
    FOR EACH ROW WHEN (NEW.first_seen IS NULL) EXECUTE FUNCTION cameras_passage_first_seen();
"""
DO_NOT_FILL_IN = """
DROP TRIGGER passage_first_seen ON cameras_passage;
DROP FUNCTION cameras_passage_first_seen();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('cameras', '0006_clips'),
        ('recognition', '0006_entry_begins'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='LinkerState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(blank=True, max_length=100)),
                ('heartbeat_at', models.DateTimeField(null=True)),
                ('templates', models.PositiveIntegerField(default=0, help_text='Templates of unknown people it holds in memory.')),
                ('waiting', models.PositiveIntegerField(default=0, help_text='Sightings that wait to be linked.')),
            ],
        ),
        migrations.CreateModel(
            name='MergeProposal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('similarity', models.FloatField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('accepted', 'The same person'), ('refused', 'Two people'), ('gone', 'No longer there')], default='open', max_length=10)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('decided_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-similarity', 'id'],
            },
        ),
        migrations.CreateModel(
            name='NotSameIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('said_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name_plural': 'identities that are not the same',
            },
        ),
        migrations.CreateModel(
            name='Route',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('both_ways', models.BooleanField(default=True)),
                ('overlaps', models.BooleanField(default=False, help_text='Their views overlap: one person may be seen by both at the same time.')),
                ('fastest', models.FloatField(blank=True, help_text='Nobody gets there in fewer seconds.', null=True, validators=[django.core.validators.MinValueValidator(0)])),
                ('usual', models.FloatField(blank=True, help_text='Most take about so many seconds.', null=True, validators=[django.core.validators.MinValueValidator(0)])),
            ],
            options={
                'ordering': ['start__name', 'end__name'],
            },
        ),
        migrations.CreateModel(
            name='SightingConflict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('at_once', 'At two cameras at once'), ('too_fast', 'Faster than anybody gets there')], max_length=10)),
                ('seconds', models.FloatField(help_text='Between the two; negative: so long both were in view.')),
                ('needed', models.FloatField(help_text='The seconds that the way takes at least, where that is known.', null=True)),
                ('at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='TravelTime',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('count', models.PositiveIntegerField(help_text='Transitions that it was learned from.')),
                ('people', models.PositiveIntegerField(help_text='Of so many people.')),
                ('at_once', models.PositiveIntegerField(default=0, help_text='Of these, how often both cameras saw them at once.')),
                ('p05', models.FloatField(help_text='5 % were faster, in seconds from the last sight to the first.')),
                ('p50', models.FloatField()),
                ('p95', models.FloatField()),
                ('learned_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['start_id', 'end_id'],
            },
        ),
        migrations.CreateModel(
            name='UnknownGone',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('template', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='UnknownTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pack', models.CharField(max_length=80)),
                ('sealed', models.BinaryField()),
                ('seen_at', models.DateTimeField(help_text='When the track began; names the key that seals it.')),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('linked_at', models.DateTimeField(help_text='Empty: nobody has looked yet whose it is.', null=True)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='sighting',
            name='course',
            field=models.BinaryField(help_text='Where in the picture the face was, as cameras.courses packs it: some two dozen places.', null=True),
        ),
        migrations.AddField(
            model_name='sighting',
            name='is_doubted',
            field=models.BooleanField(db_default=False, default=False, help_text='It can not be theirs, because another one that fits better was elsewhere: it is in no path.'),
        ),
        migrations.AddField(
            model_name='sighting',
            name='link',
            field=models.CharField(blank=True, choices=[('recognised', 'Recognised'), ('new', 'The first of its identity'), ('linked', 'The same face as before'), ('hand', 'Said by a person'), ('erased', "Nobody's any more: everything about them was erased")], db_default='', max_length=10),
        ),
        migrations.AddField(
            model_name='sighting',
            name='link_similarity',
            field=models.FloatField(help_text='To the face that it was linked to.', null=True),
        ),
        migrations.CreateModel(
            name='Identity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(blank=True, help_text='What operators call somebody unknown.', max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('merged_into', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='merged', to='cameras.identity')),
                ('person', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='identity', to='recognition.person')),
            ],
            options={
                'verbose_name_plural': 'identities',
                'permissions': [('export_identity', 'Can export where and when somebody was seen'), ('follow_identity', 'Can follow somebody live')],
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Correction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('merged', 'Made one of two'), ('split', 'Split off'), ('not_them', 'Not this person'), ('named', 'Named')], max_length=10)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('actor_name', models.CharField(max_length=150)),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('undone_at', models.DateTimeField(null=True)),
                ('undone_by_name', models.CharField(blank=True, max_length=150)),
                ('detail', models.JSONField(default=dict, help_text='What undoing needs beside the sightings; ids only.')),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(help_text='Of a name.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='recognition.person')),
                ('undone_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('identity', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='corrections', to='cameras.identity')),
                ('other', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='cameras.identity')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='CorrectedSighting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(choices=[('undecided', 'Not decided'), ('known', 'Known'), ('unknown', 'Unknown')], max_length=10)),
                ('link', models.CharField(blank=True, choices=[('recognised', 'Recognised'), ('new', 'The first of its identity'), ('linked', 'The same face as before'), ('hand', 'Said by a person'), ('erased', "Nobody's any more: everything about them was erased")], max_length=10)),
                ('link_similarity', models.FloatField(null=True)),
                ('is_doubted', models.BooleanField(default=False)),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='recognition.person')),
                ('sighting', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='corrections', to='cameras.sighting')),
                ('correction', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sightings', to='cameras.correction')),
                ('identity', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='cameras.identity')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='sighting',
            name='identity',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='sightings', to='cameras.identity'),
        ),
        migrations.AddIndex(
            model_name='sighting',
            index=models.Index(fields=['identity', '-first_seen', '-id'], name='sightings_of_an_identity'),
        ),
        migrations.AddIndex(
            model_name='sighting',
            index=models.Index(condition=models.Q(('identity', None), ('person__isnull', False)), fields=['first_seen'], name='sightings_to_link'),
        ),
        migrations.AddField(
            model_name='mergeproposal',
            name='decided_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='mergeproposal',
            name='first',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.identity'),
        ),
        migrations.AddField(
            model_name='mergeproposal',
            name='second',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.identity'),
        ),
        migrations.AddField(
            model_name='notsameidentity',
            name='first',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.identity'),
        ),
        migrations.AddField(
            model_name='notsameidentity',
            name='said_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='notsameidentity',
            name='second',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.identity'),
        ),
        migrations.AddField(
            model_name='route',
            name='end',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='routes_to', to='cameras.camera'),
        ),
        migrations.AddField(
            model_name='route',
            name='start',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='routes_from', to='cameras.camera'),
        ),
        migrations.AddField(
            model_name='sightingconflict',
            name='identity',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='conflicts', to='cameras.identity'),
        ),
        migrations.AddField(
            model_name='sightingconflict',
            name='stronger',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.sighting'),
        ),
        migrations.AddField(
            model_name='sightingconflict',
            name='weaker',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='conflicts', to='cameras.sighting'),
        ),
        migrations.AddField(
            model_name='traveltime',
            name='end',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.camera'),
        ),
        migrations.AddField(
            model_name='traveltime',
            name='start',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.camera'),
        ),
        migrations.AddField(
            model_name='unknowntemplate',
            name='sighting',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='unknown_template', to='cameras.sighting'),
        ),
        migrations.AddConstraint(
            model_name='correctedsighting',
            constraint=models.UniqueConstraint(fields=('correction', 'sighting'), name='one_row_a_corrected_sighting'),
        ),
        migrations.AddConstraint(
            model_name='mergeproposal',
            constraint=models.UniqueConstraint(fields=('first', 'second'), name='one_proposal_a_pair'),
        ),
        migrations.AddConstraint(
            model_name='mergeproposal',
            constraint=models.CheckConstraint(condition=models.Q(('first__lt', models.F('second'))), name='lower_proposed_first'),
        ),
        migrations.AddConstraint(
            model_name='notsameidentity',
            constraint=models.UniqueConstraint(fields=('first', 'second'), name='one_answer_a_pair_of_identities'),
        ),
        migrations.AddConstraint(
            model_name='notsameidentity',
            constraint=models.CheckConstraint(condition=models.Q(('first__lt', models.F('second'))), name='lower_identity_first'),
        ),
        migrations.AddConstraint(
            model_name='route',
            constraint=models.UniqueConstraint(fields=('start', 'end'), name='one_route_a_pair'),
        ),
        migrations.AddConstraint(
            model_name='route',
            constraint=models.CheckConstraint(condition=models.Q(('start', models.F('end')), _negated=True), name='routes_lead_elsewhere'),
        ),
        migrations.AddConstraint(
            model_name='sightingconflict',
            constraint=models.UniqueConstraint(fields=('stronger', 'weaker'), name='one_conflict_a_pair_of_sightings'),
        ),
        migrations.AddConstraint(
            model_name='traveltime',
            constraint=models.UniqueConstraint(fields=('start', 'end'), name='one_travel_time_a_pair'),
        ),
        migrations.AddIndex(
            model_name='unknowntemplate',
            index=models.Index(condition=models.Q(('linked_at', None)), fields=['id'], name='templates_to_link'),
        ),
        migrations.RunSQL(NOTE_GONE, DO_NOT_NOTE),
        migrations.AddField(
            model_name='passage',
            name='first_seen',
            field=models.DateTimeField(editable=False, help_text='When the sighting began.', null=True),
        ),
        migrations.RunSQL(FILL_IN_FIRST_SEEN, DO_NOT_FILL_IN),
        migrations.AddIndex(
            model_name='passage',
            index=models.Index(fields=['zone', '-first_seen', '-sighting'], name='sightings_of_a_zone'),
        ),
        migrations.AddIndex(
            model_name='sighting',
            index=models.Index(fields=['verdict', '-first_seen', '-id'], name='sightings_by_verdict'),
        ),
        migrations.AddIndex(
            model_name='sighting',
            index=models.Index(condition=models.Q(('is_doubted', True)), fields=['-first_seen', '-id'], name='doubted_sightings'),
        ),
        migrations.AddIndex(
            model_name='sighting',
            index=models.Index(condition=models.Q(('link', 'hand')), fields=['-first_seen', '-id'], name='sightings_by_hand'),
        ),
    ]
